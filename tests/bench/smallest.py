"""The smallest FastAPI there is: what four processes of it weigh, the house cannot weigh less."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def root() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}
