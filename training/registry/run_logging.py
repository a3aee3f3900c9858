"""A run folder as a run of MLflow's: parameters, metrics, records, report, and the model with its signature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from training.registry.artifact_files import CODE
from training.registry.run_folder import JUDGE, RECORDS, REPORT, RunFolder

if TYPE_CHECKING:
    import pandas as pd


def log_run(mlflow: Any, run: RunFolder) -> Any:
    """Logs a run into the active run of MLflow's; what MLflow tells of the model. All of it comes from the folder."""
    about = run.about
    mlflow.log_params(dict(about.parameters))
    mlflow.log_metrics(dict(about.metrics))
    mlflow.set_tags({**about.tags, "leadscore.run": run.id})
    for kind, place in ((RECORDS, None), (REPORT, REPORT), (JUDGE, JUDGE)):
        if (run.path / kind).is_dir():
            mlflow.log_artifacts(str(run.path / kind), place)
    return _log_model(mlflow, run.model, run.example)


def _log_model(mlflow: Any, folder: Path, example: pa.Table) -> Any:
    """Logs an artifact as a pyfunc from code with signature and input example."""
    # Imported late: who only looks a model up, as a server does, needs none of its 45 MB.
    import pandas as pd

    frame = example.to_pandas().astype(dict.fromkeys(_categories(example), "object"))
    return mlflow.pyfunc.log_model(
        name="model",
        python_model=str(CODE.with_name("pyfunc.py")),
        artifacts={"model": str(folder)},
        signature=mlflow.models.infer_signature(frame, _output(pd, len(frame))),
        input_example=frame,
        pip_requirements=_requirements(),
    )


def _output(pandas: Any, rows: int) -> pd.DataFrame:
    frame: pd.DataFrame = pandas.DataFrame({"probability": np.zeros(rows)})
    return frame


def _categories(table: pa.Table) -> list[str]:
    return [field.name for field in table.schema if pa.types.is_dictionary(field.type)]


def _requirements() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("lightgbm", "numpy", "pandas", "mlflow")]
