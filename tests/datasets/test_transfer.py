"""Downloads against a real server on this machine: whole or absent, checked ever after, and with errors that help."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from stages.datasets import transfer
from stages.datasets.manifest import read_manifest
from stages.datasets.transfer import MismatchError, fetch
from stages.errors import UserError, public, stage

ONE, TWO = b"first file" * 1000, b"second file" * 1000


def _fetch(server, raw, accept=lambda path: None, **urls):
    urls = {f"{name}.zip": url for name, url in urls.items()} or {
        "one.zip": f"{server.address}/one",
        "two.zip": f"{server.address}/two",
    }
    fetch("photos", urls, "CC0", accept, raw)


@pytest.fixture
def served(server, answer):
    server.answer("/one", answer(ONE))
    server.answer("/two", answer(TWO))
    return server


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


def _names(raw):
    return sorted(path.name for path in raw.iterdir())


def test_files_and_their_manifest(served, raw):
    _fetch(served, raw)
    assert (raw / "one.zip").read_bytes() == ONE
    assert (raw / "two.zip").read_bytes() == TWO
    assert _names(raw) == ["manifest.json", "one.zip", "two.zip"]
    assert json.loads((raw / "manifest.json").read_text())["files"]["one.zip"] == {
        "url": f"{served.address}/one",
        "sha256": hashlib.sha256(ONE).hexdigest(),
        "size": len(ONE),
        "licence": "CC0",
        "from_mirror": False,
    }


def test_what_is_there_is_not_fetched_again(served, raw):
    _fetch(served, raw)
    before = (raw / "manifest.json").read_bytes()
    served.requests.clear()
    _fetch(served, raw)
    assert served.requests == []
    assert (raw / "manifest.json").read_bytes() == before


def test_redirects_are_followed(served, raw, answer):
    served.answer("/moved", answer(status=302, location="/one"))
    _fetch(served, raw, one=f"{served.address}/moved")
    assert (raw / "one.zip").read_bytes() == ONE


@pytest.fixture
def secure(tmp_path, monkeypatch):
    """Call it with a location: the address of a server that speaks TLS, is trusted here, and redirects there."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    servers = []

    def redirect(location):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(302)
                self.send_header("Location", location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_port}/moved"

    yield redirect
    for server in servers:
        server.shutdown()
        server.server_close()


def test_what_is_asked_for_by_https_does_not_arrive_by_http(served, raw, secure, pauses):
    with pytest.raises(UserError, match="redirects from https: to http:, where others may change what arrives"):
        _fetch(served, raw, one=secure(f"{served.address}/one"))
    assert _names(raw) == []
    assert "/one" not in served.requests
    assert pauses == []


def test_a_missing_file_is_an_error_that_helps(served, raw, pauses):
    served.answers.pop("/two")
    with pytest.raises(UserError) as error:
        _fetch(served, raw)
    for text in ("two.zip", f"{served.address}/two", "404", "REGBENCH_MIRROR", "A mirror is", "not set", "one.zip"):
        assert text in str(error.value)
    assert pauses == []  # what is not there will not be there in a second


def test_what_was_complete_is_kept(served, raw, answer):
    served.answers.pop("/two")
    with pytest.raises(UserError):
        _fetch(served, raw)
    assert _names(raw) == ["manifest.json", "one.zip"]
    served.answer("/two", answer(TWO))
    served.requests.clear()
    _fetch(served, raw)
    assert served.requests == ["/two"]
    assert _names(raw) == ["manifest.json", "one.zip", "two.zip"]


def test_an_interruption_costs_the_file_under_way(served, raw):
    def interrupt(path):
        if path.name == "two.zip":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fetch(served, raw, interrupt)
    assert _names(raw) == ["manifest.json", "one.zip"]
    served.requests.clear()
    _fetch(served, raw)
    assert served.requests == ["/two"]


def test_a_busy_server_is_tried_again_after_growing_pauses(served, raw, pauses, answer):
    served.answer("/one", answer(status=503), answer(status=503), answer(ONE))
    _fetch(served, raw)
    assert (raw / "one.zip").read_bytes() == ONE
    assert len(pauses) == 2
    assert pauses[0] < pauses[1]


def test_a_cut_connection_is_tried_again(served, raw, pauses, answer):
    served.answer("/one", answer(ONE, cut=True), answer(ONE))
    _fetch(served, raw)
    assert (raw / "one.zip").read_bytes() == ONE
    assert served.requests == ["/one", "/one", "/two"]


def test_a_connection_that_is_always_cut_leaves_nothing(served, raw, pauses, answer):
    served.answer("/one", answer(ONE, cut=True))
    with pytest.raises(UserError, match=r"one\.zip could not be fetched"):
        _fetch(served, raw)
    assert len(served.requests) == 4
    assert _names(raw) == []


def test_no_server(raw, pauses):
    with pytest.raises(UserError, match=r"(?s)one\.zip could not be fetched.*127\.0\.0\.1:9/one"):
        _fetch(None, raw, one="http://127.0.0.1:9/one")
    assert _names(raw) == []


def test_an_address_without_a_host(raw, pauses):
    with pytest.raises(UserError, match=r"one\.zip could not be fetched"):
        _fetch(None, raw, one="http:///one")
    assert pauses == []


def test_a_fetched_file_that_is_not_the_one_of_before(served, raw, answer):
    _fetch(served, raw)
    (raw / "one.zip").unlink()
    served.answer("/one", answer(TWO))
    with pytest.raises(UserError) as error:
        _fetch(served, raw)
    for text in ("one.zip", hashlib.sha256(ONE).hexdigest(), hashlib.sha256(TWO).hexdigest(), "run `dvc repro` again"):
        assert text in str(error.value)
    assert _names(raw) == ["manifest.json", "two.zip"]


def test_a_file_that_changed_on_disk(served, raw):
    _fetch(served, raw)
    (raw / "one.zip").write_bytes(TWO)
    with pytest.raises(UserError) as error:
        _fetch(served, raw)
    for text in ("one.zip", hashlib.sha256(ONE).hexdigest(), hashlib.sha256(TWO).hexdigest(), "run `dvc repro` again"):
        assert text in str(error.value)


def test_a_file_without_a_record_is_fetched_anew(served, raw):
    raw.mkdir()
    (raw / "one.zip").write_bytes(b"who knows")
    _fetch(served, raw)
    assert (raw / "one.zip").read_bytes() == ONE


def test_a_new_address_is_a_new_file(served, raw):
    _fetch(served, raw, one=f"{served.address}/one")
    _fetch(served, raw, one=f"{served.address}/two")
    assert (raw / "one.zip").read_bytes() == TWO


def test_a_damaged_manifest(served, raw):
    _fetch(served, raw)
    for text in ("{", "[]", '{"source": "photos", "files": {"one.zip": {"size": 1}}}'):
        (raw / "manifest.json").write_text(text)
        with pytest.raises(UserError, match=r"manifest\.json is damaged"):
            _fetch(served, raw)


def test_a_file_that_is_not_accepted_leaves_nothing_and_no_record(served, raw):
    def accept(path):
        raise UserError(f"{path.name} is no archive")

    with pytest.raises(UserError, match=r"one\.zip is no archive"):
        _fetch(served, raw, accept)
    assert _names(raw) == []


OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"\r\n\r\n" + ONE


def _to(location):
    return b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % location


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([_to(b"/one")], "redirects more than 10 times"),
        ([_to(b"file:///etc/passwd")], "redirects to an address of file:"),
        ([_to(b"ftp://host/one")], "redirects to an address of ftp:"),
        ([_to(b"http://[bad/one")], "redirects to an address that is not valid"),
        ([_to(b"http://127.0.0.1:99999/")], "redirects to an address that is not valid"),
        ([_to(b"//\xff\xfe")], "redirects to an address that is not valid"),
        ([b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"], "answers 302 Found instead of a file"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], "answers 204 No Content instead of a file"),
        ([b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\none"], "answers 206"),
        ([OK + b"Content-Length: 999999999999999999999\r\n\r\n"], "larger than 1,073,741,824 bytes"),
        ([OK + b"Content-Length: 5, 6" + BODY], "garbled"),
        ([OK + b"Content-Length: 20000" + BODY], "one.zip could not be fetched"),
        ([OK + b"Content-Length: 5" + BODY], "not whole"),
        ([OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst"], "one.zip could not be fetched"),
        ([OK + b"Transfer-Encoding: chunked\r\n\r\nzzz\r\nfirst"], "one.zip could not be fetched"),
        ([OK + b"Content-Encoding: gzip" + BODY], "garbled"),
        ([OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(ONE)[:-20]], "not whole"),
        ([OK + b"\r\n", gzip.compress(ONE)], "not whole"),
        ([OK + b"\r\n\n <!DOCTYPE html><title>Sign in</title>"], "not whole; it is a web page"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "one.zip could not be fetched"),
        ([b""], "one.zip could not be fetched"),
        ([OK + b"X: " + b"x" * 70_000], "one.zip could not be fetched"),
        ([OK, *[b"X: x\r\n"] * 200], "one.zip could not be fetched"),
    ],
)
def test_odd_answers_are_errors_and_leave_nothing(raw, speaker, pauses, parts, said):
    def accept(path):
        if path.read_bytes() != ONE:
            raise UserError("not whole")

    with pytest.raises(UserError) as error:
        _fetch(None, raw, accept, one=speaker(*parts))
    assert said in str(error.value)
    assert "user name" not in str(error.value)  # it is not the user's address that is wrong
    assert _names(raw) == []


@pytest.mark.parametrize(
    "parts",
    [
        [OK + b"\r\n" + ONE],
        [OK + b"Content-Length: -5" + BODY],
        [OK + b"Content-Length: a lot" + BODY],
        [OK + b"Content-Length: 9" + b"9" * 5000 + BODY],
        [OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(ONE)],
        [OK + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%s\r\n" % (len(ONE), ONE), b"0\r\n\r\n"],
    ],
)
def test_odd_headers_with_a_whole_file(raw, speaker, parts):
    _fetch(None, raw, one=speaker(*parts))
    assert (raw / "one.zip").read_bytes() == ONE


@pytest.mark.parametrize("start", [OK + b"\r\n", _to(b"/one")], ids=["file", "redirect"])
def test_an_answer_without_end_is_cut_off(raw, speaker, monkeypatch, start):
    monkeypatch.setattr(transfer, "MAX_BYTES", 300_000)
    with pytest.raises(UserError, match=r"larger than 300,000 bytes|more than 10 times"):
        _fetch(None, raw, one=speaker(start, *itertools.repeat(b"x" * 65536, 1000)))
    assert _names(raw) == []


@pytest.mark.parametrize("start", [b"", OK, OK + b"X: ", OK + b"\r\n"], ids=["status", "headers", "header", "body"])
def test_a_byte_now_and_then_is_given_up(raw, speaker, monkeypatch, start):
    monkeypatch.setattr(transfer, "PATIENCE", 0.3)
    with pytest.raises(UserError, match=r"less than 65,536 bytes in 0\.3 seconds"):
        _fetch(None, raw, one=speaker(start, *[b"H"] * 1000, pause=0.05))
    assert _names(raw) == []


def test_a_server_that_says_nothing_is_given_up(raw, speaker, monkeypatch):
    monkeypatch.setattr(transfer, "PATIENCE", 0.3)
    with pytest.raises(UserError, match="less than"):
        _fetch(None, raw, one=speaker(b"", b"", pause=60))


def test_a_slow_server_may_take_longer_in_all(raw, speaker, monkeypatch):
    monkeypatch.setattr(transfer, "PATIENCE", 0.5)
    parts = [bytes([n]) * transfer.CHUNK for n in range(8)]
    _fetch(None, raw, one=speaker(OK + b"\r\n", *parts, pause=0.1))
    assert (raw / "one.zip").read_bytes() == b"".join(parts)


def test_too_large_a_file_of_a_mirror(served, raw, tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/one.zip").write_bytes(ONE + b"more")
    monkeypatch.setattr(transfer, "MAX_BYTES", len(ONE))
    monkeypatch.setenv("REGBENCH_MIRROR", str(tmp_path / "mirror"))
    _fetch(served, raw, one=f"{served.address}/one")
    assert served.requests == ["/one"]


def test_files_that_do_not_belong_together_are_not_kept(served, raw):
    def accept(path):
        if path.name == "two.zip":
            raise MismatchError("not of a set with one.zip")

    with pytest.raises(UserError, match=r"(?s)not of a set with one\.zip.*none is kept.*run the same command again"):
        _fetch(served, raw, accept)
    assert _names(raw) == ["manifest.json"]
    served.requests.clear()
    _fetch(served, raw)
    assert served.requests == ["/one", "/two"]


@pytest.mark.parametrize("kind", ["folder", "address"])
def test_a_mirror_is_tried_first(served, raw, tmp_path, monkeypatch, answer, kind):
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, content in {"one.zip": ONE, "two.zip": TWO}.items():
        (folder / name).write_bytes(content)
        served.answer(f"/mirror/{name}", answer(content))
    _fetch(served, tmp_path / "without")
    served.requests.clear()
    monkeypatch.setenv("REGBENCH_MIRROR", str(folder) if kind == "folder" else f"{served.address}/mirror/")
    _fetch(served, raw)
    assert served.requests == ([] if kind == "folder" else ["/mirror/one.zip", "/mirror/two.zip"])
    assert (raw / "one.zip").read_bytes() == ONE
    mirrored, published = read_manifest(raw), read_manifest(tmp_path / "without")
    assert [entry.from_mirror for entry in mirrored.files.values()] == [True, True]
    assert published.files == {name: replace(entry, from_mirror=False) for name, entry in mirrored.files.items()}


def test_a_mirrors_copy_of_a_known_file_counts_as_published(served, raw, tmp_path, monkeypatch):
    _fetch(served, raw)
    (raw / "one.zip").unlink()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/one.zip").write_bytes(ONE)
    monkeypatch.setenv("REGBENCH_MIRROR", str(tmp_path / "mirror"))
    served.requests.clear()
    _fetch(served, raw)
    assert served.requests == []
    assert not read_manifest(raw).files["one.zip"].from_mirror


@pytest.mark.parametrize("flaw", ["no such folder", "file missing", "file refused"])
def test_where_the_mirror_fails_the_address_serves(served, raw, tmp_path, monkeypatch, flaw):
    folder = tmp_path / "mirror"
    if flaw != "no such folder":
        folder.mkdir()
    if flaw == "file refused":
        (folder / "one.zip").write_bytes(b"rotten")

    def accept(path):
        if path.read_bytes() == b"rotten":
            raise UserError("rotten")

    monkeypatch.setenv("REGBENCH_MIRROR", str(folder))
    _fetch(served, raw, accept)
    assert (raw / "one.zip").read_bytes() == ONE


def test_when_mirror_and_address_fail_both_are_named(server, raw, tmp_path, monkeypatch):
    monkeypatch.setenv("REGBENCH_MIRROR", str(tmp_path))
    with pytest.raises(UserError) as error:
        _fetch(server, raw)
    for text in (f"{tmp_path}/one.zip\n    no such file", f"{server.address}/one\n    404", f"now '{tmp_path}'"):
        assert text in str(error.value)


@pytest.mark.parametrize(
    ("password", "host", "said"),
    [
        ("topsecret", "{host}/wrong", "401"),
        ("secret", "{host}/missing", "404"),
        ("secret", "{host}/busy", "503"),
        ("secret", "{host}/cut", "one.zip"),
        ("secret", "{host}/refused", "no archive"),
        ("secret", "{host}/moved", "404"),
        ("secret", "127.0.0.1:9", "refused"),
        ("secret", "127.0.0.1:99999", "not a valid address"),
        ("secret", "[::1", "not a valid address"),
        ("secret", "a" * 70, "not a valid address"),
        ("sec@ret", "127.0.0.1:9", "refused"),
        ("sec/ret", "{host}", "%2F for /"),
        ("sec#ret", "{host}", "%23 for #"),
        ("sec?ret", "{host}", "%3F for ?"),
        ("sec€ret", "{host}", "not a valid address"),
    ],
)
def test_no_failure_of_a_mirror_shows_its_credentials(
    served, raw, answer, pauses, monkeypatch, capfd, password, host, said
):
    served.credentials = "someone:secret"
    served.answer("/busy/one.zip", answer(status=503))
    served.answer("/cut/one.zip", answer(ONE, cut=True))
    served.answer("/refused/one.zip", answer(ONE))
    served.answer("/moved/one.zip", answer(status=302, location="/nowhere"))
    where = host.format(host=served.address.removeprefix("http://"))
    monkeypatch.setenv("REGBENCH_MIRROR", f"http://someone:{password}@{where}")

    def accept(path):
        raise UserError("no archive")

    with pytest.raises(SystemExit):
        stage(lambda: _fetch(served, raw, accept))()
    printed = "".join(capfd.readouterr())
    assert said in printed
    assert f"http://{where}/one.zip" in printed
    assert "now 'http://" in printed
    for secret in ("someone", "sec"):
        assert secret not in printed
    assert [path for path in raw.rglob("*") if path.is_file()] == []


def test_credentials_are_cut_out_of_addresses_and_nothing_else_is():
    for text, left in {
        "http://a:b@host/c": "http://host/c",
        "http://a@host:80/c@d": "http://host:80/c@d",
        "see https://a:b@c@host, http://d:e/f@host": "see https://host, http://host",
        "http://host:8000/@scope/file": "http://host:8000/@scope/file",
        "http://host/@scope, someone@example.org": "http://host/@scope, someone@example.org",
        "/a/folder//b c@d": "/a/folder//b c@d",
    }.items():
        assert public(text) == left
