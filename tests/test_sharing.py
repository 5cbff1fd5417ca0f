"""A team's stores in place of the local ones, by environment variables alone: PostgreSQL, S3, a DVC remote."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from mlflow import MlflowClient

from pipeline.errors import UserError
from pipeline.tracking.store.store import open_store
from tests import services
from tests.project import SOURCE, Project

pytestmark = pytest.mark.slow

needs_postgres = pytest.mark.skipif(bool(services.why_no_postgres()), reason=services.why_no_postgres() or "-")

BUCKET = "team"
TUTORIAL = (SOURCE / "data/raw/tutorial.csv").read_bytes()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that leads boto3, s3fs, DVC and MLflow to an S3 server with one empty bucket."""
    for package in ("moto", "boto3", "s3fs", "dvc_s3", "flask"):
        pytest.importorskip(package, reason="needs the extra `share` and moto[server]")
    import boto3

    with services.s3(tmp_path_factory.mktemp("s3")) as address:
        variables = {
            "AWS_ENDPOINT_URL": address,
            "MLFLOW_S3_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        client = boto3.client("s3", endpoint_url=address, aws_access_key_id="key", aws_secret_access_key="secret")
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="tables/tutorial.csv", Body=TUTORIAL)
        yield variables


def outputs(project: Project) -> dict[str, str]:
    """The digest of every file that the stages left."""
    paths = [path for part in ("data/prepared", "models", "reports") for path in (project.folder / part).rglob("*")]
    return {
        path.relative_to(project.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.is_file()
    }


def clone(project: Project, folder: Path) -> Project:
    """A second checkout of the project's last commit, as a colleague would make it."""
    project.run("git", "clone", "-q", str(project.folder), str(folder))
    return Project.at(folder)


@needs_postgres
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # MLflow's own
def test_postgresql_and_s3_take_the_place_of_the_local_stores(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With three variables the run is in PostgreSQL and its files are in the bucket; nothing tracked changes."""
    pytest.importorskip("psycopg", reason="needs the extra `share`")
    project = Project(tmp_path / "project")
    with services.postgres() as database:
        team = {"MLFLOW_TRACKING_URI": database, "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"s3://{BUCKET}/mlflow"}
        printed = project.dvc("repro", **s3, **team)
        assert "warning" not in printed.stdout + printed.stderr
        assert project.run("git", "status", "--porcelain", "dvc.yaml", "params.yaml").stdout == ""
        assert not (project.folder / "mlflow.db").exists()
        assert not (project.folder / "mlartifacts").exists()
        for name, value in s3.items():
            monkeypatch.setenv(name, value)
        client = MlflowClient(database)
        [run] = client.search_runs([client.get_experiment_by_name("tutorial").experiment_id])
        assert run.info.status == "FINISHED"
        assert run.info.artifact_uri.startswith(f"s3://{BUCKET}/mlflow/")
        assert len(client.get_metric_history(run.info.run_id, "by epoch/cost")) == 1001
        assert run.data.metrics["eval/accuracy"] == 1.0
        for name in ("models/softmax.safetensors", "reports/metrics.json"):
            fetched = client.download_artifacts(run.info.run_id, Path(name).name, str(tmp_path))
            assert Path(fetched).read_bytes() == (project.folder / name).read_bytes()


@needs_postgres
def test_a_servers_database_of_another_mlflow_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow would upgrade an older one that the whole team uses; ours names both versions and changes nothing."""
    pytest.importorskip("psycopg", reason="needs the extra `share`")
    with services.postgres() as database:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
        engine = sqlalchemy.create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE alembic_version AS SELECT 'older' AS version_num"))
        with pytest.raises(
            UserError, match=r"//\*\*\*@.* got older; if an older MLflow .*mlflow db upgrade postgresql://"
        ):
            open_store(tmp_path, "softmax")
        assert sqlalchemy.inspect(engine).get_table_names() == ["alembic_version"]
        engine.dispose()


@pytest.mark.timeout(60)
def test_a_server_that_is_away_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first refused connection is told; MLflow's own ten tries take two minutes, longer than this test may."""
    pytest.importorskip("psycopg", reason="needs the extra `share`")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://me:secret@127.0.0.1:{services.free_port()}/mlflow")
    with pytest.raises(sqlalchemy.exc.OperationalError, match="refused"):
        open_store(tmp_path, "softmax")


@pytest.fixture(scope="module")
def pushed(repro: Path, s3: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with its outputs, pushed to a folder and to a bucket."""
    folder = tmp_path_factory.mktemp("pushed")
    project = Project.after_repro(folder / "project", repro)
    project.dvc("remote", "add", "folder", str(folder / "remote"))
    project.dvc("remote", "add", "s3", f"s3://{BUCKET}/dvc")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "remotes")
    for remote in ("folder", "s3"):
        project.dvc("push", "--remote", remote, **s3)
    return project


@pytest.mark.parametrize("remote", ["folder", "s3"])
def test_what_is_pushed_is_pulled_into_a_second_clone(
    remote: str, pushed: Project, s3: dict[str, str], tmp_path: Path
) -> None:
    """`dvc pull` in a clone brings every output with the same bytes, and leaves nothing to run."""
    second = clone(pushed, tmp_path / "second")
    assert set(outputs(second)) < set(outputs(pushed))
    second.dvc("pull", "--remote", remote, **s3)
    assert outputs(second) == outputs(pushed)
    assert "up to date" in second.dvc("status").stdout


def test_a_table_in_a_bucket_is_prepared_as_the_same_table_on_the_disk(
    pushed: Project, s3: dict[str, str], tmp_path: Path
) -> None:
    """With `s3://bucket/key.csv` as the source DVC tracks the object, and prepare gives the bytes of the file's."""
    second = clone(pushed, tmp_path / "second")
    address = f"s3://{BUCKET}/tables/tutorial.csv"
    params = second.read("params.yaml").replace("data/raw/tutorial.csv", address)
    (second.folder / "params.yaml").write_text(params, encoding="utf-8")
    second.dvc("repro", "prepare", **s3)
    assert address in second.read("dvc.lock")
    prepared = {name: digest for name, digest in outputs(pushed).items() if name.startswith("data/prepared/")}
    assert prepared
    assert {name: digest for name, digest in outputs(second).items() if name in prepared} == prepared
