"""Compose the demo set's subjects: landscape, town, still life, portrait, night, harbour. No brushwork yet.

Convention: that of `scenes`; lengths are shares of the picture's side. The `add_` functions put one thing into a
scene; composers fill a scene and return its title.
"""

from itertools import pairwise

import numpy as np

from .scenes import (
    DAY_PALETTES,
    NIGHT_PALETTES,
    Scene,
    blob,
    build_palette,
    follow_contours,
    level_lines,
    mix,
    noise,
    polygon,
    swirl_stream,
)

SUBJECTS = ("landscape", "town", "still-life", "portrait", "night", "harbour")
UPRIGHT = np.pi / 2


def compose(rng: np.random.Generator, subject: str, size: int) -> Scene:
    """Return a scene of the subject (one of SUBJECTS), whose stroke directions also follow its contours."""
    palettes = NIGHT_PALETTES if subject == "night" else DAY_PALETTES
    scene = Scene(size, build_palette(rng, palettes[list(palettes)[rng.integers(len(palettes))]]))
    scene.title = _COMPOSERS[subject](scene, rng, scene.palette)
    uneven = noise(rng, size, 5) * 0.035 + noise(rng, size, 14) * 0.02
    scene.color = np.clip(scene.color + uneven[..., None], 0, 1).astype(np.float32)
    scene.angle = follow_contours(scene)
    return scene


def pick(rng: np.random.Generator, *choices):
    """Return one of the choices."""
    return choices[rng.integers(len(choices))]


def add_sky(scene: Scene, rng, p, horizon: float, night: bool = False) -> list[tuple]:
    """Fill the sky with drifting bands and haloed lights; return the lights as (x, y, radius)."""
    x, y = scene.x, scene.y
    lights: list[tuple] = []
    if night:
        lights.append((pick(rng, 0.16, 0.84), rng.uniform(0.12, 0.2), 0.055))
        for _ in range(rng.integers(8, 16)):
            spot = (rng.uniform(0.04, 0.96), rng.uniform(0.04, horizon * 0.8), rng.uniform(0.018, 0.034))
            if all(np.hypot(spot[0] - a, spot[1] - b) > 0.1 + 2 * r for a, b, r in lights):
                lights.append(spot)
    elif rng.random() < 0.45:
        lights.append((rng.uniform(0.12, 0.88), rng.uniform(0.1, horizon * 0.6), rng.uniform(0.05, 0.08)))
    eddies = [(a, b, 2.6 * r) for a, b, r in lights]
    eddies += [(rng.uniform(0.1, 0.9), rng.uniform(0.05, horizon - 0.05), rng.uniform(0.06, 0.14)) for _ in range(3)]
    stream = swirl_stream(scene, rng, eddies)
    bands = 0.5 + 0.5 * np.sin(stream * rng.uniform(22, 40) + rng.uniform(0, 6))
    color = mix(p["sky"], p["haze"], (y / horizon) ** 1.3 * 0.9)
    color = mix(color, p["cloud"], bands * np.clip(noise(rng, scene.size, 4) * 0.5 + 0.2, 0, 0.8))
    for cx, cy, radius in lights:
        far = np.hypot(x - cx, y - cy) / radius
        halo = np.exp(-((far / 2.6) ** 2)) * (0.65 + 0.35 * np.cos(far * 4.2))
        color = mix(color, p["light"], halo * (0.85 if night else 0.7))
    scene.fill(y > -1, color, level_lines(stream), 0.15)
    for k, (cx, cy, radius) in enumerate(lights):
        disc = np.hypot(x - cx, y - cy) < radius * 0.62
        if night and k == 0:
            disc &= np.hypot(x - cx - radius * 0.3, y - cy + radius * 0.1) > radius * 0.45
        scene.fill(disc, mix(p["light"], np.float32(1), 0.35), scene.around(cx, cy), 0.6)
    return lights


def add_birds(scene: Scene, rng, p, horizon: float) -> None:
    """Fill a few dark wings against the sky."""
    for _ in range(rng.integers(5, 12)):
        cx, cy, r = rng.uniform(0.1, 0.9), rng.uniform(0.12, horizon), rng.uniform(0.018, 0.034)
        wings = [(-1, -0.5), (-0.45, -0.55), (0, 0), (0.5, -0.7), (1, -0.55), (0.5, -0.35), (0, 0.35), (-0.5, -0.2)]
        scene.shape((cx, cy, r), wings, p["shade"] * 0.6, rng.normal(0, 0.4), 0.9)


def add_hills(scene: Scene, rng, p, horizon: float, ranges: int) -> None:
    """Fill ranges of hills that end at the horizon."""
    x, y = scene.x, scene.y
    for k in range(ranges):
        height = rng.uniform(0.05, 0.16) * (1 - 0.3 * k)
        wave = 0.55 + 0.4 * np.sin(x * rng.uniform(3, 8) + rng.uniform(0, 6)) + 0.12 * np.sin(x * 17 + k)
        rise = y - horizon + height * wave
        color = mix(mix(p["hills"], p["haze"], 0.25 - 0.2 * k), p["leaf"], 0.2 * k)
        stream = rise + 0.02 * noise(rng, scene.size, 6)
        scene.fill(rise > 0, color * (1.12 - np.clip(stream * 3, 0, 0.35))[..., None], level_lines(stream))


def add_fields(scene: Scene, rng, p, horizon: float) -> None:
    """Fill the ground: strips whose furrows run to a vanishing point, at times a path, at times poppies."""
    x, y = scene.x, scene.y
    vx, vy = rng.uniform(0.15, 0.85), horizon - rng.uniform(0.02, 0.12)
    depth = (y - horizon) / (1 - horizon)
    wave = 0.05 * noise(rng, scene.size, 4)
    fan = np.arctan2(x - vx + wave * depth, y - vy)
    angle = np.arctan2(y - vy, x - vx + 0.6 * wave) + 0.35 * noise(rng, scene.size, 5)
    tones = [p["field"], p["ground"], p["leaf"], mix(p["field"], p["leaf"], 0.5), mix(p["field"], p["light"], 0.4)]
    edges = [-9.0, *np.sort(rng.uniform(-1.3, 1.3, rng.integers(2, 5))).tolist(), 9.0]
    for left, right in pairwise(edges):
        tone = mix(pick(rng, *tones), pick(rng, *tones), 0.3)
        rows = 0.5 + 0.5 * np.sin(fan * rng.uniform(25, 60))
        color = mix(tone * 0.8, mix(tone, p["light"], 0.25), rows) * (0.92 + 0.12 * depth)[..., None]
        scene.fill((y > horizon) & (fan > left) & (fan < right), color, angle)
    if rng.random() < 0.5:
        side = rng.uniform(-0.6, 0.6)
        bend = vx + side * depth + 0.06 * np.sin(depth * 5 + side)
        path = (y > horizon) & (np.abs(x - bend) < 0.012 + 0.11 * depth)
        scene.fill(path, mix(p["wall"], p["ground"], 0.3 + 0.1 * noise(rng, scene.size, 9)), angle)
    if rng.random() < 0.35:
        poppies = np.zeros_like(y, bool)
        for near in np.sort(rng.uniform(0.05, 1, 60)).tolist():
            base, r = horizon + near * (1 - horizon), 0.004 + 0.012 * near
            poppies |= blob(rng, scene.size, rng.uniform(), base, r, 0.8 * r)
        scene.fill(poppies, mix(p["accent"], p["light"], 0.15 + 0.15 * noise(rng, scene.size, 30)), 0.0, 0.8)


def add_cypress(scene: Scene, rng, p, cx: float, base: float, height: float) -> None:
    """Fill a flame-shaped tree."""
    x, y = scene.x, scene.y
    t = (base - y) / height
    inner = np.clip(t, 0, 1)
    off = x - cx - 0.05 * height * np.sin(t * rng.uniform(4, 7) + rng.uniform(0, 6)) * t
    half = height * rng.uniform(0.11, 0.15) * np.maximum(np.sin(np.pi * inner**0.6), 0) ** 0.8 * (1 - 0.35 * inner)
    ragged = 1 + 0.2 * np.abs(np.sin(t * 21 + np.sign(off) * 0.7)) - 0.12
    flame = off / (half + 0.02) + 0.5 * np.sin(t * 9)
    color = mix(p["shade"], mix(p["leaf"], p["field"], 0.25), 0.4 + 0.5 * np.sin(flame * 5 + t * 3))
    inside = (t > 0) & (t < 1) & (np.abs(off) < half * ragged)
    scene.fill(inside, color, level_lines(off + 0.012 * np.sin(t * 16 + flame)), 0.4)


def add_tree(scene: Scene, rng, p, cx: float, base: float, height: float, blossom=None) -> None:
    """Fill a trunk, and a crown of leafy balls."""
    lean = rng.normal(0, 0.08)
    trunk = [(-0.065, 0), (lean - 0.04, -0.6), (lean + 0.04, -0.6), (0.065, 0)]
    scene.shape((cx, base, height), trunk, mix(p["shade"], p["roof"], 0.4), UPRIGHT - lean, 0.6)
    leaf = p["leaf"] if blossom is None else mix(p["leaf"], blossom, 0.65)
    for _ in range(rng.integers(4, 7)):
        bx, by = cx + (lean + rng.normal(0, 0.17)) * height, base - height * rng.uniform(0.55, 0.95)
        r = height * rng.uniform(0.16, 0.26)
        ball = scene.lit(mix(leaf, p["field"], rng.uniform(0, 0.3)), bx, by, r, r, 0.55)
        ball = mix(ball, p["shade"], 0.22 + 0.2 * noise(rng, scene.size, 16))
        angle = scene.around(bx, by + 0.3 * r) + 0.3 * noise(rng, scene.size, 8)
        scene.fill(blob(rng, scene.size, bx, by, 1.15 * r, r, 0.1, 7), ball, angle, 0.4)


def add_house(scene: Scene, rng, p, cx: float, base: float, width: float, height: float, night: bool = False) -> None:
    """Fill a house: a lit gable front, a darker side, a roof, windows and a door."""
    tint = mix(p["wall"], pick(rng, p["accent"], p["field"], p["haze"], p["light"]), rng.uniform(0.05, 0.4))
    wall = mix(tint, p["sky"], 0.35) if night else tint
    s, rise = rng.uniform(0.45, 0.7), rng.uniform(0.25, 0.45) * width / height
    frame = (cx - width / 2, base, width, height)
    slope = float(np.arctan2(rise * height, s / 2 * width))
    roof = mix(p["roof"], p["shade"], rng.uniform(0, 0.35))
    top, eave = -1 - rise, -1 + 0.06
    scene.shape(frame, [(s, 0), (s, -1), (1, -1), (1, 0)], wall * 0.72, 0.1)
    scene.shape(frame, [(0, 0), (0, -1), (s / 2, top), (s, -1), (s, 0)], wall, UPRIGHT)
    scene.shape(frame, [(s / 2, top), (1 - s / 2, top), (1.05, eave), (s + 0.02, eave)], roof, slope)
    rafter = [(-0.05, eave), (s / 2, top - 0.03), (s / 2, top + 0.12), (0.0, eave + 0.08)]
    scene.shape(frame, rafter, roof * 0.8, -slope, 0.6)
    glass = p["light"] if night else mix(p["shade"], p["sky"], 0.4)
    pane = min(width * 0.11, 0.028)
    for share in (0.28 * s, 0.72 * s, (1 + s) / 2):
        for floor in (-0.78, -0.4):
            if rng.random() < 0.75:
                lit = glass if rng.random() < 0.7 else mix(p["shade"], p["sky"], 0.3)
                spot = (frame[0] + share * width, base + floor * height, pane)
                scene.shape(spot, [(-0.5, 0), (0.5, 0), (0.5, 1.5), (-0.5, 1.5)], lit, UPRIGHT, 0.9)
    door = [(-0.6, 0), (-0.6, -2.2), (0.6, -2.2), (0.6, 0)]
    scene.shape((frame[0] + s / 2 * width, base, pane), door, mix(p["shade"], p["accent"], 0.3), UPRIGHT, 0.8)


def add_water(scene: Scene, rng, p, top: float, lights=()) -> None:
    """Fill water that mirrors the sky and carries the lights' broken columns."""
    x, y = scene.x, scene.y
    t = (y - top) / (1 - top)
    ripple = 0.5 + 0.5 * np.sin(260 * y**1.5 + 2.5 * noise(rng, scene.size, 6) + 2 * np.sin(x * 13))
    color = mix(mix(p["haze"], p["sky"], 0.3 + 0.7 * t), p["cloud"], 0.35 * ripple * (1 - 0.5 * t))
    color = mix(color, p["hills"], 0.35 * np.clip(noise(rng, scene.size, 5), 0, 1))
    for cx, _, radius in lights:
        column = np.exp(-(((x - cx) / (radius * (0.7 + 1.1 * np.abs(t)))) ** 2) - 1.2 * t)
        color = mix(color, p["light"], 0.9 * column * (0.35 + 0.65 * ripple))
    waves = y + 0.012 * np.sin(x * 16 + y * 40) + 0.008 * noise(rng, scene.size, 5)
    scene.fill(y > top, color, level_lines(waves))


def add_boat(scene: Scene, rng, p, cx: float, base: float, w: float) -> None:
    """Fill a boat with two sails, and its mirror image in the water."""
    hull = pick(rng, p["accent"], p["roof"], p["sky"], p["leaf"], p["shade"])
    sail = mix(p["cloud"], pick(rng, p["light"], p["accent"]), rng.uniform(0.1, 0.6))
    frame, lean = (cx, base, w), rng.normal(0, 0.1)
    mirror = [(-0.9, 0.25), (0.9, 0.25), (0.5, 0.65), (-0.5, 0.65)]
    scene.shape(frame, mirror, mix(hull * 0.7, p["sky"], 0.45), 0.0)
    scene.shape(frame, [(0.02, -0.1), (lean, -2.3), (0.95, -0.35)], sail, UPRIGHT - 0.35, 0.45)
    scene.shape(frame, [(-0.06, -0.1), (lean - 0.05, -2.0), (-0.75, -0.3)], sail * 0.85, UPRIGHT + 0.3, 0.45)
    mast = [(-0.025, 0), (lean - 0.02, -2.4), (lean + 0.02, -2.4), (0.025, 0)]
    scene.shape(frame, mast, p["shade"], UPRIGHT, 0.9)
    scene.shape(frame, [(-1.1, -0.15), (1.15, -0.2), (0.8, 0.27), (-0.75, 0.27)], mix(hull, p["light"], 0.1), 0.0, 0.6)
    rim = [(-1.1, -0.17), (1.15, -0.22), (1.08, -0.1), (-1.02, -0.06)]
    scene.shape(frame, rim, mix(p["cloud"], hull, 0.3), 0.0, 0.9)


def add_flower(scene: Scene, rng, p, cx: float, cy: float, r: float, petal) -> None:
    """Fill a flower head: petals around a darker eye."""
    dx, dy = scene.x - cx, (scene.y - cy) * rng.uniform(1, 1.25)
    turn, far = np.arctan2(dy, dx), np.hypot(dx, dy)
    petals = far < r * (0.86 + 0.2 * np.cos(turn * rng.integers(7, 12) + rng.uniform(0, 6)))
    shade = 0.55 + 0.45 * np.cos(turn * 9 + cx * 40) - 0.35 * dy / r
    scene.fill(petals, mix(petal * 0.72, mix(petal, np.float32(1), 0.35), shade), turn, 0.75)
    scene.fill(far < r * 0.36, mix(p["shade"], p["accent"], 0.35), scene.around(cx, cy), 0.9)


def _landscape(scene: Scene, rng, p) -> str:
    horizon = rng.uniform(0.32, 0.58)
    add_sky(scene, rng, p, horizon)
    add_hills(scene, rng, p, horizon + 0.01, rng.integers(1, 4))
    add_fields(scene, rng, p, horizon)
    kind = pick(rng, "wheat-field", "cypresses", "orchard", "farmhouse", "haystacks")
    if kind == "wheat-field":
        add_cypress(scene, rng, p, pick(rng, 0.1, 0.9), horizon + 0.12, rng.uniform(0.2, 0.34))
        add_birds(scene, rng, p, horizon + 0.1)
    if kind == "cypresses":
        for cx in rng.choice([0.13, 0.24, 0.75, 0.87], rng.integers(1, 4), replace=False):
            add_cypress(scene, rng, p, float(cx), rng.uniform(0.72, 0.88), rng.uniform(0.5, 0.8))
    if kind == "orchard":
        for near in np.sort(rng.uniform(0, 1, rng.integers(4, 8))).tolist():
            base = horizon + 0.06 + 0.4 * near * (1 - horizon)
            blossom = p["cloud"] if rng.random() < 0.5 else None
            add_tree(scene, rng, p, rng.uniform(0.06, 0.94), base, 0.16 + 0.34 * near, blossom)
    if kind == "farmhouse":
        cx, base = rng.uniform(0.3, 0.7), horizon + rng.uniform(0.06, 0.16)
        for side in rng.permutation([-1, 1])[: rng.integers(1, 3)].tolist():
            add_tree(scene, rng, p, cx + side * rng.uniform(0.2, 0.28), base, rng.uniform(0.2, 0.32))
        add_house(scene, rng, p, cx, base, rng.uniform(0.24, 0.36), rng.uniform(0.1, 0.15))
    if kind == "haystacks":
        stack = [(-1, 0), (-1.1, -0.8), (-0.75, -1.4), (-0.2, -1.85), (0.25, -1.8), (0.75, -1.35), (1.1, -0.8), (1, 0)]
        for near in np.sort(rng.uniform(0.1, 1, rng.integers(2, 4))).tolist():
            cx, base, r = rng.uniform(0.12, 0.88), horizon + 0.05 + 0.3 * near, 0.07 + 0.11 * near
            scene.oval(cx + 0.5 * r, base, 1.4 * r, 0.18 * r, mix(p["shade"], p["ground"], 0.3), 0.0, 0.3)
            color = scene.lit(mix(p["field"], p["light"], 0.2), cx, base - r, r, 1.2 * r, 0.5)
            straw = level_lines((scene.x - cx) / (0.3 + np.abs(scene.y - base + 2 * r) / r))
            scene.shape((cx, base, r), stack, color, straw, 0.4)
    return kind


def _town(scene: Scene, rng, p, night: bool = False) -> str:
    x, y = scene.x, scene.y
    horizon, vx = rng.uniform(0.5, 0.62), rng.uniform(0.35, 0.65)
    add_sky(scene, rng, p, horizon, night)
    add_hills(scene, rng, p, horizon + 0.02, 1)
    road = mix(mix(p["wall"], p["ground"], 0.5), p["sky"], 0.35 if night else 0.1)
    road = mix(road * 0.85, mix(road, p["light"], 0.3), 0.5 + 0.3 * noise(rng, scene.size, 8))
    angle = np.arctan2(y - horizon + 0.1, x - vx) + 0.3 * noise(rng, scene.size, 6)
    scene.fill(y > horizon, road, angle)
    if rng.random() < 0.6:
        half, tall = rng.uniform(0.03, 0.045), horizon - rng.uniform(0.12, 0.25)
        tower = (vx + rng.uniform(-0.12, 0.12), horizon + 0.02, half, tall)
        stone = mix(p["wall"], p["hills"], 0.5)
        scene.shape(tower, [(-1, 0), (-1, -0.62), (1, -0.62), (1, 0)], stone, UPRIGHT)
        scene.shape(tower, [(-1.2, -0.6), (0, -1), (1.2, -0.6)], mix(p["roof"], p["shade"], 0.4), UPRIGHT, 0.6)
    for near in np.linspace(0, 1, rng.integers(3, 6)).tolist():
        for side in (-1, 1):
            cx, base = vx + side * (0.13 + 0.42 * near) + rng.normal(0, 0.02), horizon + 0.02 + 0.24 * near**1.3
            add_house(scene, rng, p, cx, base, 0.14 + 0.2 * near, rng.uniform(0.1, 0.16) + 0.2 * near, night)
    if rng.random() < 0.5:
        add_tree(scene, rng, p, pick(rng, 0.1, 0.9), rng.uniform(0.85, 0.95), rng.uniform(0.35, 0.5))
    for base in np.sort(rng.uniform(horizon + 0.1, 0.92, rng.integers(0, 5))).tolist():
        walker = (vx + rng.normal(0, 0.12), base, 0.06 + 0.27 * (base - horizon))
        coat = mix(p["shade"], pick(rng, p["accent"], p["sky"], p["cloud"]), 0.5)
        scene.shape(walker, [(-0.2, 0), (-0.11, -0.78), (0.11, -0.78), (0.2, 0)], coat, UPRIGHT, 0.9)
        scene.oval(walker[0], base - 0.88 * walker[2], 0.1 * walker[2], 0.13 * walker[2], p["shade"], 0.0, 0.9)
    return "street-at-night" if night else "street"


def _still_life(scene: Scene, rng, p) -> str:
    x, y = scene.x, scene.y
    edge = rng.uniform(0.62, 0.74) + 0.06 * rng.normal() * (x - 0.5)
    wall = pick(rng, p["haze"], p["field"], p["leaf"], p["sky"], p["cloud"])
    stream = swirl_stream(scene, rng, [(rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.6), 0.15) for _ in range(3)])
    glow = 0.5 + 0.4 * noise(rng, scene.size, 4) - 0.3 * (x - 0.3)
    scene.fill(y > -1, mix(wall, mix(wall, p["light"], 0.5), glow), level_lines(stream), 0.15)
    cloth = pick(rng, p["ground"], p["roof"], p["wall"], p["hills"])
    folds = 0.5 + 0.4 * noise(rng, scene.size, 6)
    grain = level_lines(y + 0.02 * noise(rng, scene.size, 5))
    scene.fill(y > edge, mix(cloth * 0.8, mix(cloth, p["light"], 0.3), folds), grain)
    shadow = mix(cloth * 0.5, p["shade"], 0.4)
    return (_vase if rng.random() < 0.6 else _fruit)(scene, rng, p, shadow)


def _vase(scene: Scene, rng, p, shadow) -> str:
    x, y = scene.x, scene.y
    cx, foot = rng.uniform(0.42, 0.58), rng.uniform(0.86, 0.92)
    r, tall = rng.uniform(0.1, 0.14), rng.uniform(0.28, 0.36)
    neck = foot - tall
    scene.oval(cx + r, foot, 2 * r, 0.035, shadow, 0.0, 0.4)
    t = np.clip((foot - y) / tall, 0, 1)
    half = r * (0.62 + 0.5 * np.sin(np.pi * t**0.8) - 0.18 * t)
    body = scene.lit(pick(rng, p["wall"], p["sky"], p["accent"], p["field"]), cx, foot - tall / 2, r, tall)
    scene.fill((t > 0) & (t < 1) & (np.abs(x - cx) < half), body, level_lines(y + 0.5 * (x - cx) ** 2), 0.45)
    heads = [
        (cx + rng.normal(0, 0.16), max(0.09, neck - rng.uniform(-0.02, 0.42)), rng.uniform(0.05, 0.095))
        for _ in range(rng.integers(9, 17))
    ]
    for hx, hy, _ in heads:
        stem = [(cx - 0.006, neck + 0.02), (hx - 0.006, hy), (hx + 0.006, hy), (cx + 0.006, neck + 0.02)]
        scene.fill(polygon(scene.size, stem), mix(p["leaf"], p["shade"], 0.4), np.arctan2(neck - hy, cx - hx), 0.7)
    for _ in range(rng.integers(7, 13)):
        leaf = blob(rng, scene.size, cx + rng.normal(0, 0.12), neck - rng.uniform(0, 0.25), 0.03, 0.06, 0.2, 4)
        scene.fill(leaf, mix(p["leaf"], p["shade"], rng.uniform(0, 0.7)), rng.uniform(0, 3.14), 0.7)
    petals = [pick(rng, p["accent"], p["light"], p["field"], p["cloud"], p["sky"]) for _ in range(2)]
    for hx, hy, size in heads:
        add_flower(scene, rng, p, hx, hy, size, pick(rng, *petals))
    return "vase-with-flowers"


def _fruit(scene: Scene, rng, p, shadow) -> str:
    cx, foot = rng.uniform(0.4, 0.6), rng.uniform(0.82, 0.9)
    scene.oval(cx + 0.05, foot, 0.33, 0.06, shadow, 0.0, 0.4)
    rows = ((0, (-2, -1, 0, 1, 2)), (1, (-1.5, -0.5, 0.5, 1.5)), (2, (-0.6, 0.5)))
    heap = [(cx + side * 0.085 + rng.normal(0, 0.01), foot - 0.17 - up * 0.085) for up, row in rows for side in row]
    heap = [spot for k, spot in enumerate(heap) if k < 5 or rng.random() < 0.8]
    loose = [(cx + side * rng.uniform(0.28, 0.38), foot + rng.uniform(-0.04, 0.04)) for side in (-1, 1)]
    ripe, pale = mix(p["accent"], p["light"], 0.4), mix(p["leaf"], p["light"], 0.3)
    for fx, fy in heap + loose:
        r = rng.uniform(0.058, 0.07)
        if (fx, fy) in loose:
            scene.oval(fx + 0.03, fy + 0.9 * r, 1.3 * r, 0.35 * r, shadow, 0.0)
        skin = scene.lit(pick(rng, p["accent"], p["field"], pale, ripe, p["roof"]), fx, fy, r, r, 0.5, 0.6)
        scene.fill(blob(rng, scene.size, fx, fy, r, r, 0.03, 4), skin, scene.around(fx, fy), 0.6)
    t = np.clip((foot - scene.y) / 0.17, 0, 1)
    bowl = (t > 0) & (t < 1) & (np.abs(scene.x - cx) < 0.09 + 0.17 * np.sqrt(t))
    glaze = scene.lit(mix(p["wall"], p["sky"], 0.3), cx, foot - 0.1, 0.25, 0.2, 0.5)
    scene.fill(bowl, glaze, level_lines(scene.y - 0.7 * (scene.x - cx) ** 2), 0.45)
    return "bowl-of-fruit"


def _portrait(scene: Scene, rng, p) -> str:
    x, y = scene.x, scene.y
    cx, cy, r = rng.uniform(0.44, 0.56), rng.uniform(0.38, 0.44), rng.uniform(0.15, 0.18)
    back = pick(rng, p["sky"], p["leaf"], p["haze"], p["hills"], p["field"])
    eddies = [(rng.uniform(0, 1), rng.uniform(0, 0.8), rng.uniform(0.1, 0.16)) for _ in range(4)]
    stream = swirl_stream(scene, rng, [(cx, cy, 0.3), *eddies])
    bands = 0.35 + 0.35 * np.sin(stream * 28) + 0.15 * noise(rng, scene.size, 3)
    scene.fill(y > -1, mix(back * 0.86, mix(back, p["cloud"], 0.5), bands), level_lines(stream), 0.15)
    coat = pick(rng, p["shade"], p["sky"], p["roof"], p["leaf"], p["hills"]) * 0.85
    drop = y - cy - 1.55 * r - 1.1 * np.maximum(np.abs(x - cx) - 0.12, 0) ** 1.3
    pleats = 0.5 + 0.4 * np.sin((x - cx) * 38 * (1.3 - y)) - (x - cx)
    folds = level_lines((x - cx) * (1.4 - y) + 0.02 * noise(rng, scene.size, 5))
    torso = (drop > 0) & (np.abs(x - cx) < 0.36 + 0.15 * (y - cy))
    scene.fill(torso, mix(coat * 0.75, mix(coat, p["haze"], 0.35), pleats), folds, 0.35)
    skin = mix(p["wall"], np.array([0.88, 0.66, 0.46], np.float32), rng.uniform(0.4, 0.8))
    skin = mix(skin, p["accent"], 0.1) * rng.uniform(0.8, 1.05)
    collar = pick(rng, p["cloud"], p["accent"], p["light"]) * 0.92
    scene.shape((cx, cy, r), [(-0.48, 0.7), (0.48, 0.7), (0.62, 1.9), (-0.62, 1.9)], skin * 0.72, UPRIGHT)
    for side in (-1, 1):
        points = [(0, 2.1), (side * 0.45, 1.3), (side * 0.95, 1.72), (side * 0.35, 2.35)]
        scene.shape((cx, cy, r), points, collar, UPRIGHT - side * 0.7, 0.6)
    hair = pick(rng, p["shade"], p["roof"], p["ground"], mix(p["accent"], p["ground"], 0.5)) * 0.75
    _head(scene, rng, p, (cx, cy, r), skin, hair)
    if rng.random() < 0.5:
        hat = pick(rng, p["field"], p["shade"], p["sky"], p["wall"])
        curve = level_lines(y + 1.3 * (x - cx) ** 2)
        crown = (((x - cx) / (0.98 * r)) ** 2 + ((y - cy + 0.85 * r) / (0.85 * r)) ** 2 < 1) & (y < cy - 0.6 * r)
        scene.fill(crown, scene.lit(hat, cx, cy - r, r, r), curve, 0.5)
        brim = ((x - cx) / (1.65 * r)) ** 2 + ((y - cy + 0.68 * r - 0.9 * (x - cx) ** 2) / (0.2 * r)) ** 2 < 1
        scene.fill(brim, mix(hat, p["light"], 0.15) * 0.9, -curve, 0.5)
    return "portrait"


def _head(scene: Scene, rng, p, frame, skin, hair) -> None:
    """Fill hair, ears, face, its features, and at times a beard; the frame is the head's (x, y, half width)."""
    cx, cy, r = frame
    u, v = (scene.x - cx) / r, (scene.y - cy) / r
    strands = mix(hair, mix(hair, p["field"], 0.5), 0.35 + 0.35 * np.sin(16 * np.hypot(u, v + 0.2)))
    if rng.random() < 0.4:
        length = 1.0 + 0.5 * rng.random()
        locks = (np.abs(u) < 1.08 + 0.08 * v) & (v > -0.3) & (v < length + 0.1 * np.sin(9 * u))
        scene.fill(locks, strands, UPRIGHT - 0.25 * u, 0.5)
    scene.fill(blob(rng, scene.size, cx, cy - 0.3 * r, 1.02 * r, 1.06 * r, 0.025), strands, scene.around(cx, cy), 0.55)
    for side in (-1, 1):
        scene.oval(cx + side * 0.88 * r, cy + 0.1 * r, 0.14 * r, 0.26 * r, skin * (0.98, 0.75)[side > 0], UPRIGHT, 0.8)
    face = (u / (0.88 - 0.16 * np.clip(v, -1, 1.4))) ** 2 + ((v - 0.08) / 1.28) ** 2 < 1
    face &= v > -0.72 - 0.12 * np.cos(4 * u + rng.normal())
    form = scene.lit(skin, cx, cy, 1.1 * r, 1.6 * r, 0.5, 0.3)
    blush = np.exp(-(((np.abs(u) - 0.48) / 0.22) ** 2) - ((v - 0.38) / 0.2) ** 2)
    scene.fill(face, mix(form, p["accent"], 0.3 * blush), scene.around(cx, cy - 0.1 * r) + 0.55 * np.sign(u), 0.65)
    for side in (-1, 1):
        ex, ey = cx + side * 0.38 * r, cy - 0.06 * r
        scene.oval(ex, ey - 0.03 * r, 0.25 * r, 0.15 * r, skin * 0.74, 0.0, 0.9)
        scene.oval(ex, ey, 0.18 * r, 0.085 * r, mix(p["cloud"], skin, 0.35), 0.0, 1.0)
        scene.oval(ex, ey, 0.085 * r, 0.085 * r, mix(p["shade"], p["sky"], 0.25) * 0.6, 0.0, 1.0)
        brow = [(-0.27, -0.17 + 0.03 * side), (0, -0.27), (0.27, -0.17 - 0.03 * side), (0, -0.18)]
        scene.shape((ex, ey, r), brow, hair * 0.8, 0.15 * side, 1.0)
    nose = [(-0.03, -0.05), (0.06, -0.05), (0.15, 0.44), (0.06, 0.5), (-0.12, 0.47)]
    scene.shape(frame, nose, mix(skin, p["light"], 0.25), UPRIGHT, 0.9)
    scene.shape(frame, [(0.05, 0), (0.18, 0.45), (0.07, 0.5)], skin * 0.68, UPRIGHT, 0.9)
    if rng.random() < 0.4:
        chin = blob(rng, scene.size, cx, cy + 1.12 * r, 0.56 * r, 0.42 * r, 0.06) & (v > 1)
        beard = (face & (v > 0.58 - 1.3 * np.maximum(np.abs(u) - 0.42, 0))) | chin
        scene.fill(beard, mix(strands, p["accent"], 0.3), UPRIGHT - 0.6 * u, 0.6)
    scene.oval(cx, cy + 0.76 * r, 0.27 * r, 0.08 * r, mix(p["accent"], skin, 0.35) * 0.85, 0.0, 1.0)


def _night(scene: Scene, rng, p) -> str:
    kind = rng.random()
    if kind < 0.3:
        return _town(scene, rng, p, night=True)
    horizon = rng.uniform(0.55, 0.68)
    lights = add_sky(scene, rng, p, horizon, night=True)
    add_hills(scene, rng, p, horizon + 0.02, 2)
    if kind < 0.6:
        lamps = [(cx, horizon - 0.012, rng.uniform(0.012, 0.02)) for cx in rng.uniform(0.05, 0.95, rng.integers(4, 8))]
        for cx, cy, r in lamps:
            scene.oval(cx, cy, r, r, p["light"], 0.0, 1.0)
        add_water(scene, rng, p, horizon, lamps + lights[:1])
        shore = level_lines(scene.y + 0.02 * noise(rng, scene.size, 5))
        scene.fill(scene.y > 0.93 + 0.03 * np.sin(scene.x * 5), mix(p["ground"], p["shade"], 0.4), shore)
        if rng.random() < 0.5:
            add_boat(scene, rng, p, rng.uniform(0.2, 0.8), rng.uniform(0.78, 0.86), rng.uniform(0.1, 0.15))
        return "starry-river"
    dim = {**p, "field": p["field"] * 0.8, "light": p["haze"], "wall": p["hills"], "accent": p["roof"]}
    add_fields(scene, rng, dim, horizon + 0.1)
    for cx in np.sort(rng.uniform(0.25, 0.98, rng.integers(5, 10))).tolist():
        width, height = rng.uniform(0.08, 0.13), rng.uniform(0.04, 0.07)
        add_house(scene, rng, p, cx, horizon + rng.uniform(0.08, 0.2), width, height, night=True)
    add_cypress(scene, rng, p, rng.uniform(0.1, 0.24), 1.02, rng.uniform(0.7, 0.95))
    return "starry-night"


def _harbour(scene: Scene, rng, p) -> str:
    horizon = rng.uniform(0.35, 0.5)
    lights = add_sky(scene, rng, p, horizon)
    add_hills(scene, rng, p, horizon + 0.01, rng.integers(1, 3))
    add_water(scene, rng, p, horizon, lights)
    for near in np.sort(rng.uniform(0.1, 1, rng.integers(2, 5))).tolist():
        add_boat(scene, rng, p, rng.uniform(0.12, 0.88), horizon + 0.06 + 0.34 * near, 0.08 + 0.15 * near)
    if rng.random() < 0.4:
        sand = scene.y > 0.88 + 0.05 * np.sin(scene.x * 4 + rng.uniform(0, 6))
        scene.fill(sand, mix(p["wall"], p["ground"], 0.5), level_lines(scene.y + 0.02 * noise(rng, scene.size, 5)))
    return "boats"


_COMPOSERS = {
    "landscape": _landscape,
    "town": _town,
    "still-life": _still_life,
    "portrait": _portrait,
    "night": _night,
    "harbour": _harbour,
}
