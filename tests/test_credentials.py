"""Secrets in addresses: none goes on to files, runs or a screen."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from pipeline import credentials
from pipeline.commands.compare import side
from pipeline.commands.init import command
from pipeline.errors import UserError
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source
from pipeline.tracking.client import location
from pipeline.tracking.runs import names

# Letters that stand in no other part of the addresses below, among all that an address is made of.
PASSWORDS = st.text(st.sampled_from("QXZ/@:?#&=;%+,.!~*'()[]$-_"), min_size=1).map(lambda text: f"Q{text}Z")

SECRET = (
    "http://user:QZ@host/x.csv",
    "http://QZ@host/x.csv",
    "https://user:Q/Z@host/x.csv",
    "https://user:12/QZ@host/x.csv",
    "https://user:Q@Z@host/x.csv",
    "https://user:Q%40Z@host/x.csv",
    "https://user:Q:Z@host/x.csv",
    "https://user:Q#Z@host/x.csv",
    "https://user:Q?Z@host/x.csv",
    "HTTPS://user:QZ@[::1]:80/x.csv",
    "s3://AKIA:QZ@bucket/x.csv",
    "sftp://me:QZ@host/x.csv",
    "simplecache::https://user:QZ@host/x.csv",
    "zip://x.csv::https://user:QZ@host/x.zip",
    "https://user:Q::Z@host/x.csv",
    "https://host/x.csv?password=QZ",
    "https://host/x.csv?a=1&pass%77ord=QZ",
    "https://host/x.csv?sv=2022&sig=QZ",
    "https://host/x.csv?key=QZ&user=me",
    "https://host/x.csv#access_token=QZ",
    "https://host/x.csv?a=1;token=QZ",
    "https://host/x.csv?a=1#b=2;password=QZ",
    "https://host/x.csv?bearer=QZ",
    "https://b.s3.amazonaws.com/x.csv?X-Amz-Credential=QZ&X-Amz-Signature=QZ",
    "https://b.s3.amazonaws.com/x.csv?AWSAccessKeyId=QZ&Signature=QZ&Expires=1",
)

PLAIN = (
    "data/a@b:c/x?token=1.csv",
    "s3://bucket/folder/a@b.csv",
    "http://127.0.0.1:8000/x.csv?page=2&author=me&sort=keyword",
    "https://host/a@b.csv",
    "abfs://container@account.dfs.core.windows.net/x.csv",
    "sftp://me@host/x.csv",
    "http://[::1]:80/x.csv",
    "zip://x.csv::data/a.zip",
)


@pytest.mark.parametrize("address", SECRET)
def test_an_address_with_a_secret_is_refused_by_all_that_read_tables(address: str, tmp_path: Path) -> None:
    """The sentence shows the address without it, names the alternative, and comes before anything is opened."""
    section = PrepareParams(source=address, target="y")
    for read in (
        lambda: find_source.find(address),
        lambda: find_source.find_or_copy(address).__enter__(),
        lambda: prepare.main(params=section, source=address, out=tmp_path / "out"),
        lambda: command.main(address=address, target="y", out=tmp_path / "p", template=Path("params.yaml"), force=True),
    ):
        with pytest.raises(UserError, match=r"expected an address without .* ~/\.config/fsspec") as raised:
            read()
        assert "Q" not in str(raised.value)
        assert "Z" not in str(raised.value).replace("AZ", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", PLAIN)
def test_an_address_without_a_secret_is_left_alone(address: str) -> None:
    """An @ in a path, a container before its account, a user who logs in by key, and names that only look alike."""
    credentials.refuse(address)


@pytest.mark.parametrize("address", SECRET)
def test_what_an_older_commit_holds_is_masked(address: str) -> None:
    """Params of a run and of a comparison are shown without the secret."""
    document = {"prepare": {"source": address}}
    assert "Q" not in names.params(document)["prepare.source"]
    assert "Q" not in side.flat_params(document)["prepare.source"]


@given(
    PASSWORDS, st.sampled_from(["postgresql://", "postgresql+psycopg://", "mysql+pymysql://", "http://", "https://"])
)
def test_no_password_of_a_user_is_ever_shown(password: str, scheme: str) -> None:
    """As it is or with escapes, alone or within a text, where a server, path and query follow."""
    for written in (password, quote(password, safe=""), quote(password)):
        address = f"{scheme}user:{written}@host:5432/runs?sslmode=require"
        for text in (address, f"cannot connect to '{address}': refused, see {scheme}host"):
            masked = location.masked(text)
            assert not {"Q", "X", "Z", "%"} & set(masked)
            assert "host:5432/runs?sslmode=require" in masked


@given(PASSWORDS, st.sampled_from(["password", "sslpassword", "token"]), st.sampled_from(["", "u:QQ@", "u@"]))
def test_no_password_in_a_query_is_ever_shown(password: str, name: str, user: str) -> None:
    """With the escapes that a query needs; what follows it is shown."""
    address = f"postgresql://{user}host/runs?{name}={quote(password)}&sslmode=require"
    masked = location.masked(f"{address}: refused")
    assert not {"Q", "X", "Z"} & set(masked)
    assert "&sslmode=require: refused" in masked


@given(PASSWORDS)
def test_sqlalchemy_finds_nothing_left(password: str) -> None:
    """What is shown of an address that SQLAlchemy reads holds neither its user nor its password."""
    url = make_url("postgresql://host/runs").set(username="Q", password=password)
    masked = location.masked(url.render_as_string(hide_password=False))
    assert masked == "postgresql://***@host/runs"


def test_files_have_no_passwords() -> None:
    """An @ in the path of a database file is shown."""
    assert location.masked("sqlite:////home/me@work/mlflow.db") == "sqlite:////home/me@work/mlflow.db"
    assert location.masked("mail me@work about http://host/") == "mail me@work about http://host/"


def test_a_tracking_uri_within_an_error_is_masked_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it holds a blank, at which a text would be taken apart."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://user:Q Z@host/runs")
    assert location.masked("no postgresql://user:Q Z@host/runs here") == "no postgresql://***@host/runs here"


@pytest.mark.parametrize("address", ["dir://x", "reference://x", "github://x", "simplecache::dir://x", "foo://x"])
def test_an_address_that_lacks_something_is_one_sentence(address: str) -> None:
    """Each file system of fsspec has errors of its own."""
    with pytest.raises(UserError, match=r"x: cannot be opened: expected all that fsspec needs, got: \S") as raised:
        find_source.find(address)
    assert "\n" not in str(raised.value)
