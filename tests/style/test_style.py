"""What the house style promises and a machine can see: names in documents exist, borders hold."""

import fnmatch
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("base", "wg", "netstack", "dns", "proxy", "control", "app")


def files(*suffixes, folders=CODE_FOLDERS):
    return sorted(p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in suffixes)


def source_text():
    code = files(".hpp", ".cpp", ".h", ".c", ".txt", folders=CODE_FOLDERS + ("bench", "tests", "third_party"))
    code += sorted((ROOT / "cmake").glob("*")) + [p for p in (ROOT / "scripts").iterdir() if p.is_file()]
    code += [ROOT / "CMakeLists.txt", ROOT / "CMakePresets.json"]
    return "\n".join(p.read_text(errors="replace") for p in code)


@pytest.mark.parametrize("document", ["README.md", *sorted(
    str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))])
def test_every_name_in_a_document_exists(document):
    text = (ROOT / document).read_text()
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    source = source_text()
    missing = []
    for name in re.findall(r"`([^`\n]+)`", text):
        if re.fullmatch(r"[\w./-]+/[\w.-]+", name) and (ROOT / name).exists():
            continue  # a path of the project
        if name.startswith('"'):
            continue  # a value
        if (bench := re.fullmatch(r"build/bin/bench_(\w+)", name)) and (ROOT / "bench" / bench[1]).is_dir():
            continue
        for word in re.findall(r"[A-Za-z_]\w*::[\w:]+|[a-z]+_[a-z_]+\w*|[A-Z][a-z]+[A-Z]\w*", name):
            for part in word.split("::"):
                bare = part.removeprefix("dns_")  # what a group's or peer's key has before [dns]'s
                if part and not re.search(rf"\b(dns_)?{re.escape(bare)}\b", source):
                    missing.append(name)
    assert not missing, f"{document} names what the source does not have: {sorted(set(missing))}"


@pytest.mark.parametrize("document", ["README.md", *sorted(
    str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))])
def test_links_between_documents_lead_somewhere(document):
    text = (ROOT / document).read_text()
    broken = [t for t in re.findall(r"\]\(([^)#:]+)\)", text)
              if not (ROOT / document).parent.joinpath(t).exists()]
    assert not broken


def test_libraries_stay_behind_their_doors():
    doors = {r'[<"]lwip/': ("netstack",), r"<sodium": ("wg",), r"<openssl/": ("wg", "control", "dns"),
             r"<re2/": ("dns",), r"<nghttp2/": ("dns",), r"<intel-ipsec-mb": ("wg",)}
    for path in files(".hpp", ".cpp", ".h"):
        folder = path.relative_to(ROOT).parts[0]
        for pattern, owners in doors.items():
            if folder not in owners:
                assert not re.search(r"#include\s*" + pattern, path.read_text()), path


def rooms_of_dns():
    """The rooms of docs/ARCHITECTURE.md in their order, each a list of patterns of file names."""
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    table = text[text.index("| room | files | door |"):]
    rows = [line.split("|") for line in table[:table.index("\n\n")].splitlines()[2:]]
    resolver = re.search(r"The resolver \(([^)]*)\) joins them", text)[1]
    return [re.findall(r"`([^`]+)`", cell) for cell in [row[2] for row in rows] + [resolver]]


def test_every_file_of_dns_is_in_one_room_that_uses_those_above_it():
    rooms = rooms_of_dns()
    known_earlier = {"rule.hpp", "pattern_options.hpp", "policy.hpp", "verdict.hpp"}
    known_to_all = {"settings.hpp", "client.hpp", "counters.hpp"}

    def room_of(name):
        places = [i for i, patterns in enumerate(rooms) for p in patterns if fnmatch.fnmatch(name, p)]
        assert len(set(places)) == 1, f"dns/{name} is in {len(set(places))} rooms of docs/ARCHITECTURE.md"
        return places[0]

    wrong = []
    for path in files(".hpp", ".cpp", folders=("dns",)):
        if path.name in known_to_all:
            continue
        room = room_of(path.name)
        for used in re.findall(r'#include "dns/([^"]+)"', path.read_text()):
            if used not in known_to_all and room_of(used) > room + (used in known_earlier):
                wrong.append(f"{path.name} -> {used}")
    assert not wrong, f"dns: a room uses one below it: {wrong}"


def test_files_keep_to_one_purpose():
    long = {str(p.relative_to(ROOT)): n for p in files(".hpp", ".cpp")
            if (n := len(p.read_text().splitlines())) > 400}
    assert not long, f"over 400 lines, split by idea: {long}"


def test_nothing_sounds_unfinished():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    found = [f"{p.relative_to(ROOT)}:{i}" for p in files(".hpp", ".cpp", ".h")
             for i, line in enumerate(p.read_text().splitlines(), 1) if marks.search(line)]
    assert not found


def test_the_scripts_are_executable():
    for name in ("scripts/test", "scripts/quickstart", "scripts/install-dependencies"):
        listed = ["git", "ls-files", "-s", name]
        mode = shutil.which("git") and subprocess.run(listed, cwd=ROOT, capture_output=True, text=True).stdout
        if mode:  # without git, or not from a git checkout: the working tree decides
            assert mode.startswith("100755"), name
        else:
            assert (ROOT / name).stat().st_mode & 0o111, name
