"""The columns of the public views, in order, with their meanings; the reference page is generated from them."""

from __future__ import annotations

RESULTS = {
    "run_id": "the run that the number belongs to, a UUID as text; joins with `runs` and `maps`",
    "model": (
        "the label: the model's name, `NAME@<file stem>` for one with weights from a file, or the LABEL of "
        "`--model LABEL=NAME`"
    ),
    "weights": (
        "sha256 that identifies the weights: of the file, or for an untrained network of the text that "
        "determines it (architecture, seed, versions)"
    ),
    "family": "the group in reports: `dino`, `mae`, `random`, `timm-vit` or a plugin's own",
    "supervision": "how the model was trained, such as `labels`; empty if unknown",
    "arch": "`ViT-B/16`, or timm's name for any other architecture",
    "patch_size": "side of a patch, in pixels",
    "image_size": "side of the model's input, in pixels",
    "depth": "number of layers of the model; `layer * 1.0 / depth` is the relative depth",
    "dataset": "the data set's name",
    "split": "the split that the number is about, such as `val` or `train`; `all` where there is only one",
    "setting": "the values that differ from the defaults, sorted, `name=value` joined by `, `; empty if there are none",
    "analysis": "the analysis that recorded it: `attention`, `knn`",
    "protocol": "the protocol of a metric that is defined in several ways; else NULL",
    "metric": "the metric: see [measures](../measures.md)",
    "layer": "the layer, or the first of a pair of layers",
    "head": "the head; NULL for a number of the whole layer",
    "other_model": "the label of the second model of a pair; else NULL",
    "other_layer": "the second layer of a pair; else NULL",
    "category": "the restriction of the number, such as `k=20`; NULL for the overall score",
    "value": "the number",
    "std": "deviation (n - 1) over the units of the measurement; NULL where there is none",
    "n": "number of units, such as images or queries; NULL where there is none",
    "unit": "the unit of `value`, such as `percent`; empty for a pure number",
    "higher_is_better": "1 or 0; NULL for a metric without a direction",
    "finished_at": "when the run ended: ISO 8601 in UTC, so that texts sort as times do",
}

RUNS = {
    "run_id": "UUID as text",
    "model": "the label",
    "name": "the name under which the model was requested",
    "weights": "sha256 that identifies the weights",
    "other_model": "for a pair, the second label; else NULL",
    "other_weights": "for a pair, the second model's weights; else NULL",
    "dataset": "the data set",
    "fingerprint": (
        "sha256 over the items used (role, relative path, size in bytes, label) and the bytes of annotation files"
    ),
    "split": "the split that the numbers are about",
    "analysis": "the analysis",
    "analysis_version": "raised whenever an analysis's numbers change",
    "parameters": "JSON: every parameter of the analysis and the data set, defaults filled in",
    "setting": "as in `results`",
    "limit_n": "`--limit`; NULL without",
    "seed": "`--seed`",
    "dtype": "`--dtype`",
    "device": "where it ran: `cpu`, `cuda`, `mps`",
    "n_items": "images that were used, of all roles together",
    "n_skipped": "images that could not be read",
    "notes": (
        "JSON: remarks of the run, such as the skipped images with the reason, or a k that was larger than the gallery"
    ),
    "versions": "JSON: versions of Python, teachmatters, torch, timm, numpy, scikit-learn and pillow",
    "git_commit": "commit of a development checkout of teachmatters; else NULL",
    "started_at": "ISO 8601 in UTC",
    "finished_at": "ISO 8601 in UTC",
    "seconds": (
        "its share of the time that the command took: what it computed alone, and an equal part of what it shared with "
        "others. The sum over the runs of a command is the time that they took together"
    ),
    "elapsed": (
        "seconds from the start of its pass to its end, including the time of other runs. NULL for a run recorded "
        "before revision 0002, whose `seconds` are these"
    ),
}

MAPS = {
    "run_id": "the run",
    "model": "the label",
    "dataset": "the data set",
    "split": "the split",
    "analysis": "the analysis",
    "setting": "as in `results`",
    "name": "the map's name",
    "layer": "the layer",
    "axes": "a name for each axis, comma-separated: `head,y,x`, or `unit`",
    "shape": "lengths of the axes, comma-separated",
    "dtype": "NumPy's name of the type",
    "units": (
        "JSON list of the names along the axis `unit`, in one order for all layers and models; else NULL. "
        "The file holds each list once, however many arrays share it"
    ),
    "data": "the bytes of an `.npy` file",
}

# The meanings are Markdown; their links are relative to ``docs/reference/``.
COLUMNS: dict[str, dict[str, str]] = {
    "results": RESULTS,
    "all_results": {**RESULTS, "is_newest": "1 for the rows that `results` shows, else 0"},
    "runs": RUNS,
    "maps": MAPS,
}
