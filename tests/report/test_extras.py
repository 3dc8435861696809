"""Front matter and appendix, run by papermill as the other notebooks: on full results, and on none."""

import re
from datetime import date

import pytest
import typst
from PIL import Image

from report import assemble, build, chain, markdown, render
from report.plan import plan
from vg_helpers.files import write_json, write_text

CONTENT, STYLE = "a_b#c$d%e&f@g ünï ` x y [z] @me", "vincent_s$t_r#%"
MEMBERS = "Ada *Lovelace*, 山田 太郎, <b>O'Neil</b> $5"


def write_results(folder):
    """Write what the two notebooks read, with names of pictures that hold all sorts of marks."""
    facts = {stage: {} for stage in ("01_data", "02_classify", "04_style_eval", "05_gpu_bench", "06_gradcam")}
    facts["01_data"] = {"is_demo": True, "paintings": 600, "van_gogh": 151}
    fast = {"setting": "NVIDIA GeForce RTX 4080 SUPER in float32", "value": 12.3, "low": 11.9, "high": 12.8}
    facts["05_gpu_bench"] = {"speed_up": fast, "cpu_gb": 3.5}
    weights = [{"network": "vgg19", "source": "none", "file": None, "sha256": None}]
    about = {"device": "cpu", "seconds": 600, "fallbacks": ["One."], "weights": weights, "versions": {"torch": "2.11"}}
    about |= {
        "python": "3.11",
        "platform": "Linux",
        "seed": 1,
        "started": "2025-01-02",
        "inputs": {"a/b.csv": "0" * 64},
    }
    for stage, noted in facts.items():
        write_json(folder / stage / "manifest.json", about | {"stage": stage, "facts": noted})
    auc = {"value": 0.9, "low": 0.8, "high": 0.95}
    network = {"threshold": 0.4, "best": {"roc_auc": auc}, "even": {"roc_auc": auc}}
    names = [f"{name}{end}" for name in ("vgg19", "alexnet") for end in ("", "_with_texture")]
    network["answers"] = {"answered": auc, "wrong": {"value": 0.04, "low": 0.02, "high": 0.08}}
    write_json(folder / "02_classify" / "metrics.json", dict.fromkeys(names, network))
    rows = "".join(f"p{n}.jpg,test,{n % 2},{n / 4},{n / 4}\n" for n in range(4))
    write_text(folder / "02_classify" / "predictions.csv", "path,split,label,p_vgg19,p_alexnet\n" + rows)
    shares = {"vgg19": {"value": 0.5, "low": 0.095, "high": 0.905}, "photo": {"value": 0.0, "low": 0.0, "high": 0.79}}
    write_json(folder / "04_style_eval" / "summary.json", {made: {"share_both": s} for made, s in shares.items()})
    curves = "insertion,random,0.27,0.19,0.35\ndeletion,random,-0.05,-0.06,-0.03\n"
    write_text(folder / "06_gradcam" / "faithfulness.csv", "curve,against,gain,low,high\n" + curves)
    painting, photo = folder / "Post_Impressionism" / "x_y.jpg", folder / "p$#%@é.png"
    images = folder / "04_style_eval" / "images"
    results = [images / f"result_{STYLE}_{CONTENT}_{network}.png" for network in ("vgg19", "alexnet")]
    heat_map = folder / "06_gradcam" / "cams" / "TP_x_y.png"
    for path in (painting, photo, *results, heat_map):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((30, 20), 90).convert("RGB").save(path)
    for name, key in (("contents", CONTENT), ("styles", STYLE)):
        write_text(folder / "01_data" / f"{name}.csv", f"name,path\n{key},{photo}\n")
    write_text(folder / "01_data" / "index.csv", "path,label\nPost_Impressionism/x_y.jpg,1\n")
    write_json(folder / "01_data" / "sources.json", {"data_dir": str(folder)})
    scores = "".join(f"{CONTENT},{STYLE},{network},0.1,0.2\n" for network in ("vgg19", "alexnet"))
    write_text(folder / "04_style_eval" / "scores.csv", "content,style,extractor,p_vgg19,p_alexnet\n" + scores)


def run(folder, given=None):
    """Run both notebooks over a build folder, and return the Markdown of each."""
    sources = [build.HERE / f"{name}.ipynb" for name in ("front_matter", "appendix")]
    steps = plan(sources, folder, {}, {}, given or {})
    build.run_chain(steps)
    notebooks = {step.stage: assemble.with_prose(step.source, step.executed) for step in steps}
    return {
        name: markdown.to_markdown(notebook, name, folder / "pages", folder) for name, notebook in notebooks.items()
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_results(folder)
    return folder, run(folder, {"front_matter": {"members": MEMBERS, "group": "026"}})


def test_oddly_named_photos_and_styles_stand_side_by_side(results):
    folder, texts = results
    assert render.to_pdf(texts["appendix"], "T", date(2025, 1, 2), folder / "pages").startswith(b"%PDF")
    assert "breakable: true" in (folder / "pages" / "report.typ").read_text(encoding="utf-8")
    html = render.to_html(texts["appendix"], "T", date(2025, 1, 2), folder / "pages")
    assert html.count("<img") == 3 == html.count("data:image/") and STYLE in html and "no picture" not in html
    assert 'id="tbl:appendix-images"' in html and "Each photo" in html


def test_the_appendix_counts_confusions_and_lists_what_was_noted(results):
    text = re.sub(" +", " ", results[1]["appendix"])
    assert re.search(r"VGG-19 \| 0.50 \| other \| 1 \| 1 \|", text)
    assert re.search(r"VGG-19 \| 0.50 \| Van Gogh \| 1 \| 1 \|", text)
    assert (
        re.search(r"05_gpu_bench \| cpu GB \| 3.5", text)
        and "0.900 [0.800, 0.950]" in text
        and "- One. (`01_data`" in text
    )


def test_the_summary_is_short_and_every_number_has_its_interval_and_figure(results):
    folder, texts = results
    first, text = texts["front_matter"].split("## Executive summary")
    numbers = re.findall(r"(?m)^- .*$", text)
    assert len(numbers) == 5 and "No number says anything about Van Gogh" in text
    assert all(re.search(r"\*\*[-\d.%]+ \[.+, .+\].*\[@fig:\w+-\w+\]", number) for number in numbers)
    assert "50% [10%, 90%]" in numbers[2] and "untouched 0% [0%, 79%]" in numbers[2]
    assert first.count(r"![From left to right: the photo a\_b") == 1
    render.to_pdf(texts["front_matter"] + "\n\nEnd.", "T", date(2025, 1, 2), folder / "pages")
    assert pages(folder / "pages") == 1


def test_members_stand_as_they_were_typed(results):
    folder, texts = results
    html = render.to_html(texts["front_matter"], "T", date(2025, 1, 2), folder / "pages")
    assert "Ada *Lovelace*, 山田 太郎, &lt;b&gt;O’Neil&lt;/b&gt; $5" in html.replace("O'Neil", "O’Neil")


def test_they_stand_without_any_results_and_run_again_only_for_other_ones(tmp_path, monkeypatch):
    for text in run(tmp_path).values():
        assert "Not part of this run" in text and "`06_gradcam`" in text
    with monkeypatch.context() as patch:
        patch.setattr(build, "execute", lambda *_: pytest.fail("nothing has changed"))
        run(tmp_path)
    step = plan([build.HERE / "appendix.ipynb"], tmp_path, {}, {}, {})[0]
    write_text(tmp_path / "05_gpu_bench" / "summary.csv", "x")
    assert not chain.is_current(step, chain.key_of(step))


def pages(folder):
    """Return how many pages the report of a folder has."""
    made = typst.compile(folder / "report.typ", root=folder, ignore_system_fonts=True, format="svg")
    return len(made) if isinstance(made, list) else 1
