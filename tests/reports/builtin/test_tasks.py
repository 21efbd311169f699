"""Tests of the reports of tasks: their metrics as curves over the layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from teachmatters.analyses.specs import register_analyses
from teachmatters.api import Record
from teachmatters.errors import TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS, TASKS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import PURITY, TOP1, model, record, values

SPECS = {spec.name: spec for spec in REPORTS}
METRICS = {metric.name: metric for analysis in register_analyses() for metric in analysis.metrics}


@pytest.mark.parametrize(("name", "metrics"), [(name, metrics) for name, _, metrics in TASKS])
def test_a_task_shows_its_metrics_over_the_layers(name: str, metrics: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    for label in ("dino-s16", "mae-b16"):
        record(path, model(label), PURITY, values(PURITY, [0.5, 0.5]))
        for place, metric in enumerate(metrics):
            finer = [Record(metric=metric, protocol=METRICS[metric].protocols[0], layer=1, value=9, category="cat")]
            rows = values(METRICS[metric], [10.0 * place, 10.0 * place + 1])
            record(path, model(label), METRICS[metric], [*rows, *finer], data="scenes", analysis=name)
    report = run_report(SPECS[name], path, Options())
    assert set(report.rows["metric"]) == set(metrics)
    assert report.rows["category"].isna().all()
    panels = [(protocol, metric) for protocol in METRICS[metrics[0]].protocols for metric in metrics]
    assert [ax.get_title() for ax in report.figure().axes] == [
        " / ".join([METRICS[metric].title, *([protocol] if len(panels) > len(metrics) else [])])
        for protocol, metric in panels
    ], "of the protocols the one that counts first, metrics in the paper's order"
    assert report.table.columns.tolist()[-3:] == ["layer", "dino-s16", "mae-b16"]
    assert [row[0] for row in report.table.to_numpy()][:: len(report.table) // len(metrics)] == list(metrics)
    assert len(report.table) == 2 * len(panels), "two layers of each"


def test_unmeasured_metrics_are_omitted_and_none_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    record(path, model("a"), TOP1, values(TOP1, [1.0, 2.0]))
    assert set(run_report(SPECS["knn"], path, Options()).rows["metric"]) == {"knn-top1"}
    with pytest.raises(TeachMattersError, match=r"nothing that report 'video' shows .*--metric davis-jf"):
        run_report(SPECS["video"], path, Options())
