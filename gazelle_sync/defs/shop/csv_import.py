"""The job that imports a folder of an older system's files; its run says what became of every file."""

# Without annotations from __future__: Dagster resolves an op's config by its class, not by that class's name.
from pathlib import Path

import dagster as dg
from pydantic import Field

from gazelle_sync.defs.services import step_services
from gazelle_sync.shop.csv_import.report import render_text
from gazelle_sync.shop.csv_import.session import Request, run_import

CSV_IMPORT = "csv_import"


class ImportConfig(dg.Config):
    """What is imported."""

    folder: str = Field(description="Where the files are, on the machine that runs the job.")
    source: str | None = Field(default=None, description="Only files of it: sqlite, sqlserver, gazelle or school.")
    client: str | None = Field(default=None, description="Id of the client whose pianos a school's sheet is about.")
    dry_run: bool = Field(default=False, description="Say what would become of every row, and keep nothing.")


def import_job() -> dg.JobDefinition:
    """The job."""

    @dg.op(name="import_files", description="Imports the folder; rows that are rejected do not fail the run.")
    def import_files(context: dg.OpExecutionContext, config: ImportConfig) -> None:
        request = Request(Path(config.folder), source=config.source, client=config.client, is_dry_run=config.dry_run)
        with step_services(context) as settings:
            outcome = run_import(settings, request, run_id=context.run_id)
        text = render_text(outcome, settings.language)
        context.add_output_metadata({**outcome.totals, "what became of it": dg.MetadataValue.text(text)})

    @dg.job(
        name=CSV_IMPORT,
        executor_def=dg.in_process_executor,
        description="Imports what an older system left as CSV files: the folder is in the run's configuration.",
    )
    def csv_import() -> None:
        import_files()

    return csv_import
