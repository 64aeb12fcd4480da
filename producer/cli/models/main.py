"""The group of commands ``tilefleet models``."""

import click

from producer.cli.models.beginning import new
from producer.cli.models.carried import export, import_models
from producer.cli.models.evaluation import evaluate
from producer.cli.models.learning import bootstrap, dedupe, label, review
from producer.cli.models.stored import diff, list_models, remove, rename, show, use
from producer.cli.models.training import convert, train


@click.group()
def models() -> None:
    """The model store."""


for command in (
    *(list_models, show, diff, use, rename, remove, import_models, export),
    *(new, train, evaluate, convert, bootstrap, dedupe, review, label),
):
    models.add_command(command)
