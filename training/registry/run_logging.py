"""A run folder as a run of MLflow's: parameters, metrics, data sets, rivals, tables, report, and the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from training.registry.artifact_files import CODE
from training.registry.run_folder import JUDGE, RECORDS, RunFolder

if TYPE_CHECKING:
    import pyarrow as pa

DATASETS, RIVALS, TABLES, CURVES = "datasets.json", "rivals.json", "tables.json", "curves.json"
"""Records of a run that MLflow has a form of its own for; a run may have none of them."""
DESCRIPTION = "mlflow.note.content"
"""The tag that MLflow shows as the description of a run, and of a model."""
LONGEST_DIGEST = 36
"""Characters that MLflow takes for the digest of a data set."""
Dataset = TypedDict(
    "Dataset",
    {
        "name": str,
        "context": str,
        "digest": str,
        "training_set": str,
        "from": str,
        "to": str,
        "moments": int,
        "leads": int,
        "converted": int,
    },
)
"""A slice of a training set. context: MLflow's word for its use. from, to: dates of its first and last moment."""


class Rival(TypedDict):
    """What a model was held against: a baseline, or a trial of tuning (`kind`)."""

    name: str
    kind: str
    parameters: Mapping[str, float]
    metrics: Mapping[str, float]


def log_run(mlflow: Any, run: RunFolder) -> Any:
    """Logs a run into the active run of MLflow's; what MLflow tells of the model. All of it comes from the folder.

    The report is left to `Registry.add_files`, when it can say of which version it is.
    """
    about, records = run.about, run.path / RECORDS
    mlflow.log_params(dict(about.parameters))
    mlflow.log_metrics(dict(about.metrics))
    mlflow.set_tags({**about.tags, "leadscore.run": run.id, "artifact_digest": about.model})
    for dataset in _read(records / DATASETS):
        _log_dataset(mlflow, dataset)
    for rival in _read(records / RIVALS):
        with mlflow.start_run(run_name=rival["name"], nested=True, tags={"kind": rival["kind"]}):
            mlflow.log_params(rival["parameters"])
            mlflow.log_metrics(rival["metrics"])
    for table in _read(records / TABLES):
        mlflow.log_table(table["columns"], f"tables/{table['name']}.json")
    for curve in _read(records / CURVES):
        for step, value in zip(curve["steps"], curve["values"], strict=True):
            mlflow.log_metric(curve["name"], value, step=step)
    for kind, place in ((RECORDS, None), (JUDGE, JUDGE)):
        if (run.path / kind).is_dir():
            mlflow.log_artifacts(str(run.path / kind), place)
    return _log_model(
        mlflow, run.model, run.example, {name: told for name, told in about.tags.items() if name == DESCRIPTION}
    )


def log_base(mlflow: Any, base: Any) -> None:
    """Notes parameters, metrics and training set of the run of the version that this one is made from, and which run
    that is."""
    mlflow.log_params(base.data.params)
    mlflow.log_metrics(base.data.metrics)
    learnt_from = {name: told for name, told in base.data.tags.items() if name == "training_set"}
    mlflow.set_tags({"base_run": base.info.run_id, **learnt_from})


def _read(file: Path) -> list[Any]:
    """A record, empty where the run has none."""
    return list(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else []


def _log_dataset(mlflow: Any, dataset: Dataset) -> None:
    """A slice of the training set, named and with its digest; what it holds stays where it is."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    source = CodeDatasetSource({"training_set": dataset["training_set"]})
    made = MetaDataset(source, name=dataset["name"], digest=dataset["digest"][:LONGEST_DIGEST])
    mlflow.log_input(made, context=dataset["context"], tags={key: str(value) for key, value in dataset.items()})


def _log_model(mlflow: Any, folder: Path, example: pa.Table, tags: Mapping[str, str]) -> Any:
    """Logs an artifact as a pyfunc from code, with signature, input example and description."""
    frame = example.to_pandas().astype(dict.fromkeys(_categories(example), "object"))
    return mlflow.pyfunc.log_model(
        name="model",
        python_model=str(CODE.with_name("pyfunc.py")),
        artifacts={"model": str(folder)},
        signature=_signature(example),
        metadata={"columns": {name: "text" if name in _categories(example) else "number" for name in frame}},
        input_example=frame,
        pip_requirements=_requirements(),
        tags=dict(tags),
    )


def _signature(example: pa.Table) -> Any:
    """Every feature by name, none required, of any type: MLflow would refuse whole numbers where it read a float.

    `threshold` turns probabilities into classes, as `mlflow.models.evaluate` wants them.
    """
    from mlflow.models.signature import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

    inputs = Schema([ColSpec(AnyType(), name, required=False) for name in example.column_names])
    outputs = Schema([ColSpec("double", "probability", required=False), ColSpec("long", "converts", required=False)])
    return ModelSignature(inputs, outputs, ParamSchema([ParamSpec("threshold", "double", None)]))


def _categories(table: pa.Table) -> list[str]:
    import pyarrow as pa

    return [field.name for field in table.schema if pa.types.is_dictionary(field.type)]


def _requirements() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("lightgbm", "numpy", "pandas", "mlflow")]
