"""play: what is said before the page opens."""

import pytest

from vg_helpers.commands import play


@pytest.mark.parametrize(("words", "says"), [([], True), (["--no-browser"], False)])
def test_a_browser_is_announced_only_if_it_opens(monkeypatch, capsys, words, says):
    app = pytest.importorskip("voila.app")
    monkeypatch.setattr(app.Voila, "launch_instance", lambda *_, **__: None)
    assert play.main(words) == 0
    assert ("opens in your browser" in capsys.readouterr().err) == says
