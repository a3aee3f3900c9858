"""MLflow's way in: a model from code, so that nothing is pickled. It travels inside the artifact with standalone.py."""

from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from standalone import load


class LeadConversion(PythonModel):  # type: ignore[misc]
    """Feature columns in, one row per moment; calibrated probability of conversion out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Loads the artifact after comparing every file's sha256."""
        self.model = load(context.artifacts["model"])

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """A frame with the column `probability`, float64."""
        rows = [
            {name: value for name, value in row.items() if not pd.isna(value)}
            for row in model_input.to_dict(orient="records")
        ]
        return pd.DataFrame({"probability": self.model.predict(self.model.encode(rows))})


set_model(LeadConversion())
