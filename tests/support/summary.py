"""Sums up one run of scripts/test from the files it left in a folder, and prints what failed.

    summary.py DIR

*.xml is Catch2's XML report, *.junit is pytest's, *.code an exit status, *.log what was printed,
*.broken a build that did not happen, *.not-run a number of tests that could not be tried. A program
that ended badly without a failed test to show for it counts as one failure.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ET


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.times = []  # (seconds, name)

    def fail(self, name, text):
        self.failed += 1
        print(f"\nFAILED {name}\n{text.rstrip()}")


def code_of(path):
    code = path.with_suffix(".code")
    return int(code.read_text() or 1) if code.exists() else 1


def log_tail(path, lines=40):
    log = path.with_suffix(".log")
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def describe(case):
    """The failed expressions of one Catch2 test case."""
    lines = []
    for node in case.iter():
        if node.tag == "Expression" and node.get("success") == "false":
            original, expanded = node.findtext("Original", ""), node.findtext("Expanded", "")
            lines.append(f"  {node.get('filename')}:{node.get('line')}: {original.strip()}  "
                         f"[{expanded.strip()}]")
        elif node.tag in ("Failure", "Exception", "FatalErrorCondition"):
            lines.append(f"  {node.get('filename')}:{node.get('line')}: {(node.text or '').strip()}")
    return "\n".join(lines)


def read_catch(path, totals):
    suite, code, before = path.stem, code_of(path), totals.failed
    try:
        root = ET.parse(path).getroot()
        cases = list(root.iter("TestCase"))
    except ET.ParseError:  # it died in the middle: count the cases that came to an end
        text = path.read_text(errors="replace")
        done = re.findall(r'<OverallResult success="(true|false)"', text)
        totals.passed += done.count("true")
        totals.failed += done.count("false")
        last = re.findall(r'<TestCase name="([^"]*)"', text)
        totals.fail(f"{suite}: {last[-1] if last else 'at start'}",
                    f"the program ended with status {code}\n{log_tail(path)}")
        return
    for case in cases:
        result = case.find("OverallResult")
        name = f"{suite}: {case.get('name')}"
        if result is None or result.get("success") != "true":
            totals.fail(name, describe(case))
        elif int(result.get("skips", "0")) > 0:
            totals.skipped += 1
        else:
            totals.passed += 1
        if result is not None and result.get("durationInSeconds"):
            totals.times.append((float(result.get("durationInSeconds")), name))
    if code != 0 and totals.failed == before:
        totals.fail(suite, f"the program ended with status {code}\n{log_tail(path)}")


def read_junit(path, totals):
    before = totals.failed
    for case in ET.parse(path).getroot().iter("testcase"):
        name = f"{path.stem}: {case.get('classname', '').split('.')[-1]}::{case.get('name')}"
        totals.times.append((float(case.get("time", "0")), name))
        if case.find("failure") is not None or case.find("error") is not None:
            totals.failed += 1
        elif case.find("skipped") is not None:
            totals.skipped += 1
            print(f"skipped {name}: {case.find('skipped').get('message')}")
        else:
            totals.passed += 1
    code = code_of(path)
    if code not in (0, 5) and totals.failed == before:
        totals.fail(path.stem, f"pytest ended with status {code}")


def main(folder):
    totals = Totals()
    for path in sorted(folder.glob("*.xml")):
        read_catch(path, totals)
    for path in sorted(folder.glob("*.junit")):
        read_junit(path, totals)
    for path in sorted(folder.glob("*.code")):
        if path.with_suffix(".xml").exists() or path.with_suffix(".junit").exists():
            continue
        if path.stem.startswith("fuzz_") and code_of(path) == 0:
            totals.passed += 1
        else:
            totals.fail(path.stem, f"ended with status {code_of(path)}\n{log_tail(path)}")
    for path in folder.glob("*.broken"):
        totals.fail(path.stem, path.read_text())
    for path in folder.glob("*.not-run"):
        totals.skipped += max(1, int(path.read_text() or 0))
    print("\nslowest:")
    for seconds, name in sorted(totals.times, reverse=True)[:10]:
        print(f"  {seconds:7.1f} s  {name}")
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped")
    return 1 if totals.failed or not totals.passed else 0


sys.exit(main(pathlib.Path(sys.argv[1])))
