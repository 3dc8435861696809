// A brush over a picture: what is painted on stays of the photo. The mask goes to Python as a PNG, white on black.
const COLOUR = "rgba(255, 196, 0, 1)";
const STEP = 8; // pixels that an arrow key moves the brush

function element(name, attributes, parent) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent.append(node);
  return node;
}

function button(text, title, parent) {
  const node = element("button", { type: "button", class: "jupyter-button widget-button", title }, parent);
  node.textContent = text;
  return node;
}

function render({ model, el }) {
  el.classList.add("vg-brush");
  const bar = element("div", { class: "vg-brush-bar" }, el);
  const label = element("label", {}, bar);
  label.append("Brush ");
  const size = element("input", { type: "range", min: 4, max: 120, value: 40, "aria-label": "Width of the brush" }, label);
  const erase = button("Erase", "Take the mask away where the brush goes", bar);
  const clear = button("Clear", "Begin again", bar);
  const stack = element("div", { class: "vg-brush-stack" }, el);
  const photo = element("img", { alt: "" }, stack);
  const words = "The photo; paint over what shall stay. Arrow keys move the brush, the space bar paints.";
  const canvas = element("canvas", { tabindex: 0, role: "img", "aria-label": words }, stack);
  const ring = element("div", { class: "vg-brush-ring" }, stack);
  const mask = document.createElement("canvas");
  let last = null, place = null, erasing = false;

  function scale() {
    return mask.width / canvas.getBoundingClientRect().width || 1;
  }

  function show() {
    const paper = canvas.getContext("2d");
    paper.clearRect(0, 0, canvas.width, canvas.height);
    paper.globalCompositeOperation = "source-over";
    paper.drawImage(mask, 0, 0);
    paper.globalCompositeOperation = "source-in";
    paper.fillStyle = COLOUR;
    paper.fillRect(0, 0, canvas.width, canvas.height);
  }

  function showRing() {
    ring.hidden = place === null;
    if (place === null) return;
    const width = size.value / scale();
    ring.style.cssText = `width:${width}px;height:${width}px;left:${place[0] / scale()}px;top:${place[1] / scale()}px`;
  }

  function stroke(to) {
    const paper = mask.getContext("2d");
    paper.globalCompositeOperation = erasing ? "destination-out" : "source-over";
    paper.lineCap = paper.lineJoin = "round";
    paper.lineWidth = Number(size.value);
    paper.strokeStyle = "white";
    paper.beginPath();
    paper.moveTo(...(last ?? to));
    paper.lineTo(to[0] + 0.01, to[1]);
    paper.stroke();
    last = to;
    show();
  }

  function send() {
    const whole = document.createElement("canvas");
    whole.width = mask.width;
    whole.height = mask.height;
    const paper = whole.getContext("2d");
    paper.fillStyle = "black";
    paper.fillRect(0, 0, whole.width, whole.height);
    paper.drawImage(mask, 0, 0);
    whole.toBlob(async (blob) => {
      model.set("mask", new DataView(await blob.arrayBuffer()));
      model.save_changes();
    }, "image/png");
  }

  function point(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * scale(), (event.clientY - box.top) * scale()];
  }

  function load() {
    const data = model.get("photo");
    if (!data || !data.byteLength) return;
    URL.revokeObjectURL(photo.src);
    photo.src = URL.createObjectURL(new Blob([data], { type: "image/jpeg" }));
  }

  photo.addEventListener("load", () => {
    for (const sheet of [mask, canvas]) {
      sheet.width = photo.naturalWidth;
      sheet.height = photo.naturalHeight;
    }
    place = last = null;
    showRing();
  });
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.focus();
    if (event.pointerId > 0) canvas.setPointerCapture(event.pointerId);
    last = null;
    stroke((place = point(event)));
  });
  canvas.addEventListener("pointermove", (event) => {
    place = point(event);
    if (event.buttons & 1) stroke(place);
    showRing();
  });
  canvas.addEventListener("pointerup", send);
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    if (event.key !== " " && !(event.key in moves)) return;
    event.preventDefault();
    event.stopPropagation();
    place = place ?? [mask.width / 2, mask.height / 2];
    if (event.key === " ") {
      last = null;
      stroke(place);
      send();
    } else {
      const limits = [mask.width, mask.height];
      place = place.map((value, axis) => Math.min(limits[axis], Math.max(0, value + moves[event.key][axis])));
    }
    showRing();
  });
  size.addEventListener("input", showRing);
  erase.setAttribute("aria-pressed", "false");
  erase.addEventListener("click", () => {
    erasing = !erasing;
    erase.setAttribute("aria-pressed", String(erasing));
    erase.classList.toggle("mod-primary", erasing);
  });
  clear.addEventListener("click", () => {
    mask.getContext("2d").clearRect(0, 0, mask.width, mask.height);
    show();
    model.set("mask", new DataView(new ArrayBuffer(0)));
    model.save_changes();
  });
  model.on("change:photo", load);
  load();
  return () => URL.revokeObjectURL(photo.src);
}

export default { render };
