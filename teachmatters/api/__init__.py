"""The contracts of models, data sets, analyses, reports and commands."""

from teachmatters.api.analysis import Analysis, AnalysisSpec, Batch, Context, Group, InputSpec, Row, State
from teachmatters.api.annotation import VOID, Box, IndexMask, Mask, Pair, Points, SemanticMask
from teachmatters.api.dataset import Dataset, DatasetRequest, DatasetSpec, Item, Kind, Role
from teachmatters.api.extension import CommandSpec, ReportSpec
from teachmatters.api.features import Features
from teachmatters.api.metric import Level, MetricSpec
from teachmatters.api.model import (
    SUPERVISIONS,
    TAPS,
    ModelAdapter,
    ModelInfo,
    ModelRequest,
    ModelSource,
    ModelSpec,
    Sink,
    Tap,
)
from teachmatters.api.parameter import Parameter, Parameters, Value
from teachmatters.api.readout import FEATURE, NORM, SHORT_SIDE, TAP, Feature, Readout
from teachmatters.api.record import Record, Result, StoredMap
from teachmatters.api.size import Size, check_size, no_size, split_size
from teachmatters.api.transform import Crop, Transform, TransformedImage
from teachmatters.api.transforms import Dense, Pad, Stretch, ThumbnailCrop

__all__ = [
    "FEATURE",
    "NORM",
    "SHORT_SIDE",
    "SUPERVISIONS",
    "TAP",
    "TAPS",
    "VOID",
    "Analysis",
    "AnalysisSpec",
    "Batch",
    "Box",
    "CommandSpec",
    "Context",
    "Crop",
    "Dataset",
    "DatasetRequest",
    "DatasetSpec",
    "Dense",
    "Feature",
    "Features",
    "Group",
    "IndexMask",
    "InputSpec",
    "Item",
    "Kind",
    "Level",
    "Mask",
    "MetricSpec",
    "ModelAdapter",
    "ModelInfo",
    "ModelRequest",
    "ModelSource",
    "ModelSpec",
    "Pad",
    "Pair",
    "Parameter",
    "Parameters",
    "Points",
    "Readout",
    "Record",
    "ReportSpec",
    "Result",
    "Role",
    "Row",
    "SemanticMask",
    "Sink",
    "Size",
    "State",
    "StoredMap",
    "Stretch",
    "Tap",
    "ThumbnailCrop",
    "Transform",
    "TransformedImage",
    "Value",
    "check_size",
    "no_size",
    "split_size",
]
