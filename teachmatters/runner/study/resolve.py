"""Looks up the names in a study file; an error names the line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from teachmatters.errors import TeachMattersError, UnknownNameError, listing
from teachmatters.registry import Registry
from teachmatters.runner.plan.matching import PAPER, Pairing, paired, parties
from teachmatters.runner.plan.models import LabelledModel, labelled_models, uncommon_supervisions
from teachmatters.runner.plan.parameters import each_given, given_parameters, pair_parameters, parameter_names
from teachmatters.runner.plan.settings import RunSettings
from teachmatters.runner.plan.tasks import MetricSelection
from teachmatters.runner.study.file import ModelLine, StudyEntry, StudyFile, param_text, read_study
from teachmatters.runner.study.model import Study, StudyTask
from teachmatters.runner.study.yaml_nodes import SourceLine


def open_study(registry: Registry, path: Path) -> Study:
    """Read a study and look its names up; no model or data set is opened.

    Raises:
        TeachMattersError: the file is invalid or a name is unknown; names file and line.
    """
    file = read_study(path)
    models = _models(registry, file.models)
    study_tasks, remarks = _study_tasks(registry, file, models)
    return Study(
        db=file.db,
        models=tuple(models),
        study_tasks=tuple(study_tasks),
        device=file.device,
        batch_size=file.batch_size,
        remarks=(*uncommon_supervisions(models), *remarks),
    )


# ---------------------------------------------------------------- models
def _models(registry: Registry, lines: Iterable[ModelLine]) -> list[LabelledModel]:
    found: dict[str, LabelledModel] = {}
    for line in lines:
        for model in _labelled(registry, line):
            if model.label in found:
                raise line.name.error(f"two models are labelled {model.label!r}; give one a different 'label'")
            found[model.label] = model
    return list(found.values())


def _labelled(registry: Registry, line: ModelLine) -> list[LabelledModel]:
    name = str(line.name.value)
    options = [f"{line.label}={name}" if line.label else name]
    with line.name.naming_line():
        found = labelled_models(registry, options, ())
        if line.weights is not None and len(found) > 1:
            raise TeachMattersError(f"one weight file cannot belong to {len(found)} models; name one, not {name!r}")
        files = [] if line.weights is None else [f"{found[0].label}={line.weights}"]
        words = [] if line.supervision is None else [f"{model.label}={line.supervision}" for model in found]
        return labelled_models(registry, options, files, words)


# ---------------------------------------------------------------- tasks
def _study_tasks(
    registry: Registry, file: StudyFile, models: Sequence[LabelledModel]
) -> tuple[list[StudyTask], list[str]]:
    study_tasks: dict[object, StudyTask] = {}
    remarks: list[str] = []
    pairings: list[Pairing] = []
    for entry in file.entries:
        labels, fitting = _chosen(entry, models), _fitting(registry, entry, remarks)
        given = _given(entry, fitting)
        pairings += fitting
        runs = [(*pair, values) for pair in fitting for values in each_given(pair[0].analysis, given)]
        for request, data, values in runs:
            run_settings = RunSettings(
                given=values,
                data_root=None if data.bundled else entry.data_root,
                limit=entry.limit,
                seed=entry.seed,
                dtype=entry.dtype,
            )
            study_task = StudyTask(
                request=request,
                data=data,
                run_settings=run_settings,
                selections=(MetricSelection(request.metrics, labels),),
            )
            key = _key(study_task)
            study_tasks[key] = _joined(study_tasks[key], study_task) if key in study_tasks else study_task
    for name, place in file.params.items():
        with place.naming_line():
            given_parameters([f"{name}={param_text(place)}"], parties(pairings))
    return list(study_tasks.values()), remarks


def _key(study_task: StudyTask) -> object:
    """Return a key that is equal for tasks that measure the same values."""
    spec, data, run_settings = study_task.request.analysis, study_task.data, study_task.run_settings
    return (
        spec.name,
        data.name,
        repr(pair_parameters(spec, data, run_settings.given)),
        run_settings.data_root,
        run_settings.limit,
        run_settings.seed,
        run_settings.dtype,
    )


def _joined(one: StudyTask, other: StudyTask) -> StudyTask:
    request = replace(one.request, metrics=one.request.metrics | other.request.metrics)
    return replace(one, request=request, selections=one.selections + other.selections)


def _chosen(entry: StudyEntry, models: Sequence[LabelledModel]) -> frozenset[str] | None:
    """Return the labels of the models that an entry names, None for all."""
    chosen: set[str] = set()
    for place in entry.models:
        pattern = str(place.value)
        found = {m.label for m in models if any(fnmatchcase(name, pattern) for name in (m.label, m.spec.name))}
        if not found:
            labels = [model.label for model in models]
            with place.naming_line():
                raise UnknownNameError("model", pattern, labels, f"The study's own are {listing(labels)}.")
        chosen |= found
    return frozenset(chosen) or None


def _fitting(registry: Registry, entry: StudyEntry, remarks: list[str]) -> list[Pairing]:
    """Return the pairs of an entry that fit, and add its remarks to ``remarks``."""
    for place in entry.metrics:
        with place.naming_line():
            registry.requests(str(place.value))
    for place in entry.data:
        with place.naming_line():
            _ = place.value == PAPER or registry.dataset(str(place.value))
    with entry.place.naming_line():
        metrics, data = ([str(place.value) for place in places] for places in (entry.metrics, entry.data))
        fitting, own_remarks = paired(registry, metrics, data)
    if not data:
        used = {data.name: None for _, data in fitting}
        own_remarks.append(f"no data set is named: using {listing(used)}")
    remarks += [str(entry.place.error(remark)) for remark in own_remarks]
    return fitting


def _given(entry: StudyEntry, fitting: Sequence[Pairing]) -> dict[str, str]:
    """Return the parameters of an entry: its own, and those of the study that apply to it."""
    known, own = parameter_names(parties(fitting)), set(entry.params)
    places = {n: p for n, p in entry.defaults.items() if n in known and not {n, n.rpartition(".")[2]} & own}
    places.update(entry.params)
    for name, place in places.items():
        with place.naming_line():
            _check(name, place, fitting)
    return {name: param_text(place) for name, place in places.items()}


def _check(name: str, place: SourceLine, fitting: Sequence[Pairing]) -> None:
    """Check that a parameter is declared and allows the value."""
    given: Mapping[str, str] = given_parameters([f"{name}={param_text(place)}"], parties(fitting))
    for request, data in fitting:
        for values in each_given(request.analysis, given):
            pair_parameters(request.analysis, data, values)
