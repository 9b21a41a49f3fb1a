"""Motifs from matrices and databases, without any network but this machine's own."""

import contextlib
import http.server
import io
import json
import math
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pytest

from pyprobound import external
from pyprobound.alphabets import DNA, Protein
from pyprobound.errors import InputError
from pyprobound.external import MotifDownloadError, WebClient, matrices

JASPAR = """>MA0001.1\tONE
A  [     4     19      0 ]
C  [    16      0     20 ]
G  [     0      1      0 ]
T  [     0      0      0 ]
>MA0002.1 TWO
A 1 1
C 1 1
G 1 1
T 7 1
"""
PWM = """>ONE_HUMAN.H11MO.0.A
0.5\t-1.0\t0.25\t-2
-1\t1\t-1.5\t0
>TWO_HUMAN.H11MO.0.B
1 2 3 4
"""


def forward(psam):
    return psam.get_filter(0)[0].detach().numpy()


# --- matrices --------------------------------------------------------------------


def test_a_matrix_becomes_a_motif():
    matrix = np.random.default_rng(0).normal(size=(20, 3))
    psam = external.import_matrix(matrix, Protein())
    assert (psam.kernel_size, psam.n_strands) == (3, 1)
    np.testing.assert_array_equal(forward(psam), matrix.astype(np.float32))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((3, 4)), "first dimension .* the 4 letters"),
        (np.zeros(4), "first dimension"),
        (np.zeros((4, 0)), "first dimension"),
        (np.full((4, 2), -np.inf), "'A' at position 0 .* large negative number"),
        (np.where(np.eye(4), np.nan, 0)[:, 1:], "'C' at position 0"),
    ],
)
def test_other_matrices_are_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        external.import_matrix(matrix, DNA())


# --- JASPAR ----------------------------------------------------------------------


def test_counts_become_energies(tmp_path):
    path = tmp_path / "motifs.jaspar"
    path.write_text(JASPAR)
    psam = external.import_jaspar("MA0001.1", path=path)
    extra = math.sqrt(20) / 4
    first = np.log(np.array([4, 16, 0, 0]) + extra) - math.log(16 + extra)
    np.testing.assert_allclose(forward(psam)[:, 0], first, rtol=1e-5)
    np.testing.assert_allclose(forward(psam).max(axis=0), 0, atol=1e-7)


def test_unequal_columns_share_a_pseudocount(tmp_path):
    path = tmp_path / "motifs.jaspar"
    path.write_text(JASPAR)
    psam = external.import_jaspar("MA0002.1", path=path)
    extra = math.sqrt((10 + 4) / 2) / 4
    expected = math.log(1 + extra) - math.log(7 + extra)
    np.testing.assert_allclose(forward(psam)[0], [expected, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (JASPAR, "no matrix 'X'; the first ones are: MA0001.1, MA0002.1"),
        ("<html>Not found</html>", "expected a header such as '>X'"),
        (">X\nA [ 1 ]\nC [ 1 ]\nG [ 1 ]\n", "one row of counts for each"),
        (">X\nA 1 2\nC 1\nG 1\nT 1\n", "one row of counts for each"),
        (">X\nA -1\nC 2\nG 2\nT 2\n", "not negative"),
        (">X\nA 0\nC 0\nG 0\nT 0\n", "nor zero in a column"),
        (">X\nA\nC\nG\nT\n", "expected counts"),
        (">X\nA nan\nC 2\nG 2\nT 2\n", "finite"),
        (">X\nA one\nC 2\nG 2\nT 2\n", "could not convert"),
        ("", "no matrix 'X'; the first ones are: none"),
    ],
)
def test_malformed_counts_are_refused(tmp_path, text, message):
    path = tmp_path / "motifs.jaspar"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        external.import_jaspar("X", path=path)
    assert caught.value.path == path


# --- HOCOMOCO --------------------------------------------------------------------


def test_weights_are_turned_and_shifted(tmp_path):
    path = tmp_path / "motifs.pwm"
    path.write_text(PWM)
    psam = external.import_hocomoco("ONE_HUMAN.H11MO.0.A", path=path)
    expected = np.array([[0, -1.5, -0.25, -2.5], [-2, 0, -2.5, -1]]).T
    np.testing.assert_allclose(forward(psam), expected)


@pytest.mark.parametrize("text", [">X\n1 2 3\n", ">X\n", ">X\n1 2 3 x\n"])
def test_malformed_weights_are_refused(tmp_path, text):
    path = tmp_path / "motifs.pwm"
    path.write_text(text)
    with pytest.raises(InputError, match=r"rows of four weights|could not convert"):
        external.import_hocomoco("X", path=path)


# --- MotifCentral ----------------------------------------------------------------


def scoring_model(fit_id=None, size=1):
    values = [0.0, -1.0, -2.0, -3.0] * size
    return {
        "modelSettings": {"bindingModes": [{"size": 0}, {"size": size}]},
        "coefficients": {
            "bindingModes": [{"mononucleotide": []}, {"mononucleotide": values}]
        },
        "metadata": {} if fit_id is None else {"fit_id": fit_id},
    }


def test_every_model_of_the_release_imports(data_dir):
    release = data_dir / "motifcentral" / "MotifCentral.v1.0.0.json"
    models = json.loads(release.read_text())
    assert len(models) == 874
    for model in models:
        psam = external.import_motif_central(model["metadata"]["fit_id"])
        (mode,) = model["coefficients"]["bindingModes"]
        expected = np.reshape(mode["mononucleotide"], (-1, 4)).T
        np.testing.assert_array_equal(forward(psam), expected.astype(np.float32))
        assert psam.score_reverse


def test_the_last_mode_of_the_right_model_is_read(tmp_path):
    path = tmp_path / "release.json"
    path.write_text(json.dumps([scoring_model(7, 2), scoring_model(8, 3)]))
    assert external.import_motif_central(8, path=path).kernel_size == 3
    with pytest.raises(InputError, match="fit_id 9 among 2"):
        external.import_motif_central(9, path=path)
    path = tmp_path / "single.json"
    path.write_text(json.dumps(scoring_model(size=4)))
    assert external.import_motif_central(5, path=path).kernel_size == 4
    path.write_text(json.dumps({"modelSettings": {"bindingModes": [{"size": 2}]}}))
    with pytest.raises(InputError, match="the model 5 is incomplete"):
        external.import_motif_central(5, path=path)


def test_without_a_source_there_is_advice(monkeypatch, tmp_path):
    monkeypatch.delenv("PYPROBOUND_DATA_DIR", raising=False)
    with pytest.raises(InputError, match="no source of MotifCentral"):
        external.import_motif_central(5)
    monkeypatch.setenv("PYPROBOUND_DATA_DIR", str(tmp_path))
    with pytest.raises(InputError, match="no source of MotifCentral"):
        external.import_motif_central(5)


# --- the web ---------------------------------------------------------------------


class Site(http.server.BaseHTTPRequestHandler):
    """Serves what a test puts into ``pages``; a list is served item by item."""

    pages: ClassVar[dict] = {}
    requests: ClassVar[list] = []

    def do_GET(self):
        self.requests.append(self.path)
        page = self.pages.get(self.path, 404)
        if isinstance(page, list):
            page = page.pop(0)
        if isinstance(page, int):
            self.send_error(page)
            return
        if callable(page):
            page(self)
            return
        content = page if isinstance(page, bytes) else page.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def site(monkeypatch) -> Iterator[str]:
    Site.pages, Site.requests = {}, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(matrices, "JASPAR_URL", address + "/jaspar/{}")
    monkeypatch.setattr(matrices, "HOCOMOCO_URL", address + "/motif/{}")
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(tmp_path) -> WebClient:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return WebClient(
        pause=0.001, cache_folder=tmp_path / "cache" / "deep", opener=direct.open
    )


def test_jaspar_is_asked_once(site, client):
    Site.pages["/jaspar/MA0001.1"] = JASPAR
    first = external.import_jaspar("MA0001.1", client=client)
    second = external.import_jaspar("MA0001.1", client=client)
    np.testing.assert_array_equal(forward(first), forward(second))
    assert Site.requests == ["/jaspar/MA0001.1"]


def test_hocomoco_is_found_through_its_page(site, client):
    name = "ONE_HUMAN.H11MO.0.A"
    Site.pages[f"/motif/{name}"] = (
        '<a href="/files/OTHER.pwm">x</a>'
        f"<a class='a' href='/files/pwm/{name}.pwm'>weights</a>"
    )
    Site.pages[f"/files/pwm/{name}.pwm"] = PWM
    psam = external.import_hocomoco(name, client=client)
    assert psam.kernel_size == 2
    Site.pages["/motif/TWO"] = "<html>nothing here</html>"
    with pytest.raises(RuntimeError, match=r"names no weight matrix TWO\.pwm"):
        external.import_hocomoco("TWO", client=client)


def test_motif_central_can_be_a_service_or_a_release(site, client):
    Site.pages["/fits/7"] = json.dumps(scoring_model(size=2))
    Site.pages["/release"] = json.dumps([scoring_model(6), scoring_model(7, 3)])
    service = external.import_motif_central(7, url=f"{site}/fits/{{}}", client=client)
    assert service.kernel_size == 2
    release = external.import_motif_central(7, url=f"{site}/release", client=client)
    assert release.kernel_size == 3
    Site.pages["/odd"] = "[1, 2]"
    with pytest.raises(MotifDownloadError, match="expected a model"):
        external.import_motif_central(7, url=f"{site}/odd", client=client)


def test_d70_an_error_page_is_no_motif(site, client):
    with pytest.raises(MotifDownloadError, match="the server answered 404"):
        external.import_jaspar("MA9999.1", client=client)
    assert len(Site.requests) == 1
    Site.pages["/jaspar/MA0003.1"] = ["<html>login first</html>", JASPAR]
    with pytest.raises(MotifDownloadError, match="is not what was asked for"):
        external.import_jaspar("MA0003.1", client=client)
    assert not client.cache_folder.exists()


def test_failures_that_pass_are_tried_again(site, client):
    Site.pages["/jaspar/MA0001.1"] = [503, 429, JASPAR]
    assert external.import_jaspar("MA0001.1", client=client).kernel_size == 3
    Site.pages["/jaspar/MA0002.1"] = 500
    with pytest.raises(MotifDownloadError, match="500"):
        external.import_jaspar("MA0002.1", client=client)
    assert len(Site.requests) == 6


def test_a_damaged_cache_is_replaced(site, client):
    Site.pages["/jaspar/MA0001.1"] = JASPAR
    external.import_jaspar("MA0001.1", client=client)
    (file,) = client.cache_folder.iterdir()
    file.write_text("half a fi")
    assert external.import_jaspar("MA0001.1", client=client).kernel_size == 3
    assert file.read_text() == JASPAR


def test_answers_have_a_limit_and_are_text(site, client):
    Site.pages["/jaspar/big"] = b"x" * 2000
    Site.pages["/jaspar/binary"] = b"\xff\xfe"
    client.max_bytes = 1000
    with pytest.raises(MotifDownloadError, match="larger than 1000 bytes"):
        external.import_jaspar("big", client=client)
    with pytest.raises(MotifDownloadError, match="is not text"):
        external.import_jaspar("binary", client=client)
    assert len(Site.requests) == 2


def test_truncated_answers_are_fetched_again_and_not_kept(site, client):
    name = "ONE_HUMAN.H11MO.0.A"

    def half(request):
        # The first position alone would be a motif, too.
        request.send_response(200)
        request.send_header("Content-Length", str(len(PWM)))
        request.end_headers()
        request.wfile.write(PWM[: PWM.index("-1\t1")].encode())

    Site.pages[f"/motif/{name}"] = f'<a href="/{name}.pwm">weights</a>'
    Site.pages[f"/{name}.pwm"] = [half, PWM]
    assert external.import_hocomoco(name, client=client).kernel_size == 2
    Site.pages[f"/{name}.pwm"] = half
    assert external.import_hocomoco(name, client=client).kernel_size == 2
    Site.pages["/jaspar/X"] = half
    with pytest.raises(MotifDownloadError, match="more expected"):
        external.import_jaspar("X", client=client)


def test_answers_without_a_length_are_read_to_their_end(site, client):
    def page(request):
        request.send_response(200)
        request.end_headers()
        request.wfile.write(JASPAR.encode())

    Site.pages["/jaspar/MA0001.1"] = page
    assert external.import_jaspar("MA0001.1", client=client).kernel_size == 3


def test_answers_that_never_end_are_given_up(site, client):
    def page(request):
        request.send_response(200)
        request.end_headers()
        with contextlib.suppress(OSError):
            while True:
                request.wfile.write(b"x")
                time.sleep(0.005)

    Site.pages["/jaspar/X"] = page
    client.longest, client.retries = 0.05, 1
    with pytest.raises(MotifDownloadError, match=r"longer than 0\.05 s"):
        external.import_jaspar("X", client=client)
    assert len(Site.requests) == 2


def test_pages_without_the_address_are_asked_for_again(site, client):
    name = "ONE_HUMAN.H11MO.0.A"
    Site.pages[f"/motif/{name}"] = [
        "<html>back in an hour</html>",
        f"<a href='/{name}.pwm'>weights</a>",
    ]
    Site.pages[f"/{name}.pwm"] = PWM
    with pytest.raises(RuntimeError, match="names no weight matrix"):
        external.import_hocomoco(name, client=client)
    assert external.import_hocomoco(name, client=client).kernel_size == 2


def test_answers_stay_encrypted(tmp_path):
    class Redirected(io.BytesIO):
        headers: ClassVar[dict] = {}

        def geturl(self):
            return "http://elsewhere.org/"

    client = WebClient(
        cache_folder=tmp_path, opener=lambda request, timeout: Redirected(b"text")
    )
    with pytest.raises(MotifDownloadError, match=r"leads to http:.* not encrypted"):
        client.fetch("https://motifs.org/", str)
    assert client.fetch("http://motifs.org/", str) == "text"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout must be positive"),
        ({"max_bytes": -1}, "max_bytes must be positive"),
        ({"longest": float("nan")}, "longest must be positive"),
        ({"retries": -1}, "0 or more, not -1"),
        ({"pause": -1}, "0 or more"),
    ],
)
def test_limits_must_make_sense(options, message):
    with pytest.raises(ValueError, match=message):
        WebClient(**options)


@pytest.mark.parametrize("name", ["../../evil", "a/../../b", "C:\\x", "é\n?#%00"])
def test_names_cannot_leave_the_cache(site, client, name):
    Site.pages["/jaspar/" + urllib.parse.quote(name, safe="")] = f">{name}\n{JASPAR}"
    with contextlib.suppress(MotifDownloadError):
        external.import_jaspar(name, client=client)
    (request,) = Site.requests
    assert request.count("/") == 2
    client.fetch(f"{site}/jaspar/{urllib.parse.quote(name, safe='')}", str)
    assert [file.parent for file in client.cache_folder.rglob("*")] == [
        client.cache_folder
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"metadata": [1]},
        {"modelSettings": 3},
        {"modelSettings": {"bindingModes": 7}, "coefficients": {}},
    ],
)
def test_odd_answers_of_motif_central_are_named(site, client, answer):
    Site.pages["/odd"] = json.dumps(answer)
    with pytest.raises(MotifDownloadError, match="model 7 is incomplete or malformed"):
        external.import_motif_central(7, url=f"{site}/odd", client=client)


def test_addresses_may_hold_other_braces(site, client):
    Site.pages["/fits/7?fields={a}"] = json.dumps(scoring_model(size=2))
    url = f"{site}/fits/{{}}?fields={{a}}"
    assert external.import_motif_central(7, url=url, client=client).kernel_size == 2


def test_nobody_may_be_there(tmp_path):
    calls = []

    def opener(request, timeout):
        calls.append(timeout)
        raise urllib.error.URLError("no route to host")

    client = WebClient(
        timeout=2, retries=1, pause=0, cache_folder=tmp_path, opener=opener
    )
    with pytest.raises(MotifDownloadError, match=r"no route to host.*pass its path"):
        external.import_jaspar("MA0001.1", client=client)
    assert calls == [2, 2]


def test_a_cache_that_cannot_be_written_is_done_without(site, client, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    Site.pages["/jaspar/MA0001.1"] = JASPAR
    for _ in range(2):
        assert external.import_jaspar("MA0001.1", client=client).kernel_size == 3
    assert len(Site.requests) == 2


def test_other_schemes_are_refused(client):
    with pytest.raises(ValueError, match="must begin with http"):
        client.fetch("file:///etc/passwd", str)


def test_the_default_cache_is_that_of_the_user():
    assert WebClient().cache_folder.name == "motifs"
