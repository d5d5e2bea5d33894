"""Scenario files: what is wrong in one is said with its file, its line and the nearest right word."""

from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim.support import fault, small, warden

from gossipbook.errors import ScenarioError
from gossipbook.scenario.parts import FAULTS, HAPPENINGS, FaultPart, WardenPart
from gossipbook.scenario.reading import LISTS, SECTIONS, parse_scenario
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.plan import identities, make_manifest, make_plan

FILES = sorted((Path(__file__).parent.parent.parent / "simulations").rglob("*.toml"))


def refusal(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "dir/some.toml")
    said = str(caught.value)
    assert said.startswith("dir/some.toml: ")
    return said


UNKNOWN = {
    "a section": ("# why\n\n[netwrok]\npeers = 4\n", 3, "netwrok", "network"),
    "a key on top": ("peers = 4\n", 1, "peers", None),
    "a dotted section": ("\nbudgett.wall_s = 4\n", 2, "budgett", "budget"),
    "network": ("[workload]\nnoise = 3\n[network]\npeers = 4\n\n  peeers = 5\n", 6, "peeers", "peers"),
    "workload": ("[network]\npeers = 4\n[workload]\nmaker = 3\n", 4, "maker", "makers"),
    "expect": ("[expect]\nfills = 1\nhealing_s = 3\n", 3, "healing_s", "heal_s"),
    "budget": ("[budget]\nwall = 1\n", 2, "wall", "wall_s"),
    "fault": ("[[fault]]\nkind = 'loss'\nshere = 0.1\n", 3, "shere", "share"),
    "second fault": (fault("loss", share=0.1) + fault("loss", share=0.1, whom="leader"), 7, "whom", "who"),
    "what the first fault may say": (fault("loss", share=0.1) + fault("crash", share=0.1), 6, "share", None),
    "a table in a fault": (fault("crash") + "[fault.extra]\nx = 1\n", 3, "extra", None),
    "inline": ("\nnetwork = {peers = 4, comittee = 4}\n", 2, "comittee", "committee"),
    "inline fault": ("\nfault = [{kind = 'crash', whoo = 'x'}]\n", 2, "whoo", "who"),
    "inline faults on lines": (
        "fault = [\n  {kind = 'loss', share = 0.1},\n  {kind = 'crash', share = 0.1},\n]\n",
        3,
        "share",
        None,
    ),
    "dotted": ("network.peers = 4\nnetwork.comittee = 4\n", 2, "comittee", "committee"),
    "quoted": ('[network]\n"peerz" = 4\n', 2, "peerz", "peers"),
    "quoted header": ('[ "network" ]\nhello = 4\n', 2, "hello", None),
    "escaped": ('[network]\npeers = 4\n"p\\u0065erz" = 4\n', 3, "peerz", "peers"),
    "named in a comment": ("# peerz\n[network] # peerz = 4\npeerz = 4\n", 3, "peerz", "peers"),
    "named in a text": (
        '[workload]\nflow = """\n[network]\npeerz = 4\n"""\n[network]\npeerz = 4\n',
        7,
        "peerz",
        "peers",
    ),
    "same word elsewhere": ("[workload]\nmakers = 4\n[network]\nmakers = 4\n", 4, "makers", "matchers"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_unknown_key(case: str) -> None:
    text, line, key, nearest = UNKNOWN[case]
    said = refusal(text)
    assert f": line {line}: " in said
    assert repr(key) in said
    assert ("did you mean" in said) == (nearest is not None)
    assert nearest is None or said.endswith(f"did you mean {nearest!r}?")


def test_every_unknown_key_is_told_with_the_keys_that_there_are() -> None:
    assert "it has network, workload, warden, fault, expect, budget" in refusal("zzz = 1\n")


def test_an_unknown_fault() -> None:
    said = refusal(fault("crash") + fault("partitoin"))
    assert ": line 4: no fault 'partitoin'; did you mean 'partition'?" in said


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_knows_its_own_keys_and_no_others(kind: str) -> None:
    own = {"kind", "at_s", "for_s", *FAULTS[kind]}
    for part in fields(FaultPart):
        if part.name in own or part.default is MISSING:
            continue
        default = list(part.default) if isinstance(part.default, tuple) else part.default
        text = fault(kind, at_s=2, **{part.name: default})
        assert f": line 4: [fault] has no key {part.name!r}" in refusal(text)


WRONG = {int: ["'four'", "4.0", "true", "[4]"], float: ["'1'", "true", "[1.0]"], str: ["5", "true", "['x']"]}
WRONG_PAIR = ["5", "[1]", "[1, 2, 3]", "['1', '2']", "[true, false]", "[1, {}]"]


@pytest.mark.parametrize("section", [section for section in SECTIONS if section not in LISTS])
def test_a_value_of_the_wrong_type(section: str) -> None:
    for part in fields(SECTIONS[section]):
        for wrong in WRONG.get(type(part.default), WRONG_PAIR):
            assert f": line 3: {part.name} is " in refusal(f"# why\n[{section}]\n{part.name} = {wrong}\n")


@pytest.mark.parametrize("kind", FAULTS)
def test_a_value_of_the_wrong_type_in_a_fault(kind: str) -> None:
    for part in fields(FaultPart):
        if part.name in ("at_s", "for_s", *FAULTS[kind]):
            for wrong in WRONG.get(type(part.default), WRONG_PAIR):
                assert f": line 3: {part.name} is " in refusal(f"[[fault]]\nkind = '{kind}'\n{part.name} = {wrong}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("network = 5", "line 1: [network] is a table"),
        ("\n[[network]]\npeers = 4", "line 2: [network] is a table"),
        ("\n[fault]\nkind = 'crash'", "line 2: write [[fault]]"),
        ("fault = 'crash'", "line 1: write [[fault]]"),
        ("fault = [5]", "line 1: a [[fault]] needs a kind"),
        (fault("crash") + "[[fault]]\nat_s = 3", "line 3: a [[fault]] needs a kind"),
        ("[[fault]]\nkind = 5", "line 1: a [[fault]] needs a kind"),
        ("\n[warden]\nstate = 'open'", "line 2: write [[warden]]"),
        ("warden = 'open'", "line 1: write [[warden]]"),
        ("warden = [5]", "line 1: a [[warden]] needs a state"),
        (warden("open") + "[[warden]]\nat_s = 3", "line 3: a [[warden]] needs a state"),
        (warden("open") + "[[warden]]\nstate = 5", "line 4: state is a text, not 5"),
        (warden("open") + "[[warden]]\nstate = 'open'\nfrom_s = 3", "line 5: [warden] has no key 'from_s'"),
        ("[workload]\nleases = 1", "line 2: leases is true or false, not 1"),
        ("[network\npeers = 4", "not TOML"),
        ("[network]\npeers = " + "9" * 5_000, "not TOML"),
        ("x = " + "[" * 50_000, "not TOML"),
        ("[workload]\nseconds = 1" + "0" * 400, "line 2: seconds is a number of a reasonable size"),
    ],
)
def test_what_is_no_scenario(text: str, said: str) -> None:
    assert said in refusal(text)


OUT_OF_RANGE = [
    *(f"[network]\npeers = {n}" for n in (0, -1, 2_001, 10**30)),
    *(f"[network]\npeers = 30\ncommittee = {n}" for n in (0, -4, 3, 8, 31)),
    *(f"[network]\nmatchers = {n}" for n in (-1, 3, 5)),
    *(f"[network]\npairs = {n}" for n in (0, 17)),
    *(f"[network]\ndelay_ms = {span}" for span in ("[5, 1]", "[-1, 1]", "[nan, 1]", "[1, nan]", "[1, inf]")),
    *(f"[network]\n{key} = {share}" for key in ("loss", "duplicate", "reorder") for share in (-0.1, 1.1, "nan", "inf")),
    *(f"[network]\n{key} = -1" for key in ("kbit_s", "links", "clock_skew_ms")),
    *(f"[network]\n{key} = 'mars'" for key in ("fault_model", "preset", "delay", "views", "signatures")),
    "[network]\ndelay_ms = [10, 101]",
    "[network]\ndelay_ms = [10, 99.6]\ntimeout_base_ms = 998",
    *(f"[workload]\nseconds = {s}" for s in (0, -1, "inf", "nan", 3_601)),
    *(f"[workload]\nops_per_s = {s}" for s in (-1, "inf", "nan", 10_001, "1e-320")),
    *(f"[workload]\n{key} = -1" for key in ("makers", "noise", "takers", "cancellers", "levels")),
    *(f"[workload]\nexpiring = {s}" for s in (-0.1, 1.1, "nan")),
    *(f"[workload]\nspecial = {s}" for s in (-0.1, 1.1, "nan")),
    "[workload]\nmakers = 0\nnoise = 0\ntakers = 0\ncancellers = 0",
    "[workload]\nlevels = 1000",
    *(f"[expect]\n{key} = -2" for key in ("fills", "observers", "term_changes", "heal_s", *HAPPENINGS)),
    *(f"[expect]\nheal_s = {s}" for s in (0, "inf", "nan")),
    "[budget]\nwall_s = 0",
    "[budget]\ndeliveries = -1",
    *(fault("crash", at_s=s) for s in (-1, 1e9)),
    *(fault("crash") + f"{key} = {s}" for key in ("at_s", "for_s") for s in ("inf", "nan", "-0.1")),
    *(fault("loss", share=s) for s in (-0.1, 1.1)),
    *(fault("delay", delay_ms=s) for s in ([200, 20], [-5, 20], [0, 1e9])),
    *(fault("bandwidth", kbit_s=s) for s in (0, -5)),
    *(fault("partition", shape=s) for s in ("", "third")),
    *(fault("partition", leader=s) for s in ("", "nowhere")),
    fault("partition", when="later"),
    *(fault("partition", flap_s=s) for s in (-1, 0.000001)),
    *(fault("rolling-restart", gap_s=s) for s in (-1, 0)),
    fault("disk", trouble="rust"),
    *(fault("clock", rate_ppm=s) for s in (-1_000_000, -2_000_000, 10**9)),
    *(fault("clock", skew_ms=s) for s in (-(10**12), 10**12)),
]


@pytest.mark.parametrize("text", OUT_OF_RANGE)
def test_a_value_out_of_range(text: str) -> None:
    """The error names the key, or at least the section."""
    said, key = refusal(text), text.splitlines()[1].split(" = ")[0]
    assert key in said or "[[fault]] 1" in said or "[workload]" in said or "[network]" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            warden("opened"),
            "[[warden]] 1 state: one of open, post-only, cancel-only, halted, auction; did you mean 'open'?",
        ),
        (warden("open") + warden("halted", at_s=-1), "[[warden]] 2 at_s: from 0 up to an hour"),
        (warden("open", at_s=1e9), "[[warden]] 1 at_s: from 0 up to an hour"),
    ],
)
def test_what_a_warden_cannot_say(text: str, said: str) -> None:
    assert said in refusal(text)


def test_what_a_warden_says() -> None:
    read = parse_scenario(warden("auction") + warden("open", at_s=3), "x")
    assert read.wardens == (WardenPart("auction", 1.0), WardenPart("open", 3.0))
    assert read.without_faults().wardens == read.wardens


GOOD_WHO = (
    "home of maker 0",
    "home of noise 12",
    "leader",
    "successor",
    "member",
    "members",
    "everyone",
    "peer 3",
    "seat 0",
    "2 members",
    "1 followers",
    "9 peers",
)
BAD_WHO = (
    "home of maker",
    "home of somebody 1",
    "maker 1",
    "Leader",
    "leaders",
    "peer",
    "peer -1",
    "seat x",
    "two members",
    "2 seats",
    "members 2",
    " leader",
    "leader ",
    "3",
)


@pytest.mark.parametrize("who", BAD_WHO)
def test_a_who_that_names_nobody(who: str) -> None:
    assert f"[[fault]] 1 (crash) who: {who!r} names nobody; say leader, successor" in refusal(fault("crash", who=who))


@pytest.mark.parametrize("who", GOOD_WHO)
def test_a_who_that_names_somebody(who: str) -> None:
    assert parse_scenario(fault("crash", who=who), "x").faults[0].who == who


def test_what_is_said_is_what_is_read() -> None:
    read = parse_scenario(small(fault("delay", at_s=2, delay_ms=[1, 2.5], who="leader")), "name")
    assert (read.name, read.why, read.network.peers, read.network.delay_ms) == ("name", "A test.", 4, (1.0, 4.0))
    assert read.faults == (FaultPart("delay", 2.0, who="leader", delay_ms=(1.0, 2.5)),)
    assert parse_scenario("", "empty") == Scenario("empty")


def test_a_partition_must_show_a_term_change() -> None:
    assert parse_scenario(fault("partition"), "x").term_changes_expected == 1
    assert parse_scenario(fault("crash"), "x").term_changes_expected == 0
    assert parse_scenario(fault("partition") + "[expect]\nterm_changes = 0", "x").term_changes_expected == 0


def test_there_are_enough_scenarios() -> None:
    assert len(FILES) >= 15


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_scenario_of_ours(file: Path) -> None:
    read = parse_scenario(file.read_text(), str(file))
    assert len(read.why.split()) >= 5, "a scenario opens with a comment that says why it exists"


def test_every_kind_of_fault_has_a_scenario() -> None:
    read = [parse_scenario(file.read_text(), str(file)) for file in FILES]
    used = {fault.kind for one in read for fault in one.faults}
    used |= {key for one in read for key in ("loss", "duplicate", "reorder") if getattr(one.network, key)}
    assert used == set(FAULTS)
    assert {f.shape for one in read for f in one.faults if f.kind == "partition"} == {
        *("halves", "ring", "bridge", "one-way", "isolate")
    }


# -- whatever is written ------------------------------------------------------------------------------------

KEYS = sorted({part.name for kind in SECTIONS.values() for part in fields(kind)})
WORDS = ["leader", "byzantine", "crash", "halves", "prepared", "flips", "uniform", "heavy-tailed", "divergent", *FAULTS]
VALUES = st.one_of(
    st.integers(-2, 40).map(str),
    st.sampled_from(["0.1", "1e400", "-1e-400", "inf", "nan", "true", "[1, 2]", "[]", "{}", "{x = 1}", "1979-05-27"]),
    st.sampled_from(WORDS).map(repr),
)
HEADERS = st.sampled_from(["[network]", "[workload]", "[[fault]]", "[expect]", "[budget]", "[fault]", "[x]", "# why"])
LINES = st.lists(st.one_of(HEADERS, st.builds("{} = {}".format, st.sampled_from(KEYS), VALUES)), max_size=12)


@given(st.one_of(st.text(), LINES.map("\n".join)))
@settings(max_examples=400, deadline=None)
def test_whatever_is_written_is_a_scenario_or_a_scenario_error(text: str) -> None:
    """And what is a scenario can be run, but for a recorded flow that is not there."""
    said = ""
    try:
        read = parse_scenario(text, "x")
    except ScenarioError as error:
        said = str(error)
    assert said == "" or said.startswith("x: ")
    if not said and read.workload.flow == "agents":
        make_plan(read, 0)
        make_manifest(read.network, identities(read.network))
