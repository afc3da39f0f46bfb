#!/usr/bin/env python3
"""etcd-replay over the files that Debian ships, over our own, and over files that are wrong."""
import os
import random
import re
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("QUORATE_SOURCE") or os.path.abspath(f"{os.path.dirname(__file__)}/../..")
BUILD = os.environ.get("QUORATE_BUILD") or os.path.join(SOURCE, "build")
sys.path.insert(0, os.path.join(SOURCE, "tests/system"))

import tap  # noqa: E402  pylint: disable=wrong-import-position
from tap import check, equal  # noqa: E402  pylint: disable=wrong-import-position

DEBIAN = "/usr/share/gocode/src/go.etcd.io/etcd/raft"
OWN = os.path.join(SOURCE, "tests/scenario/etcd")
LIST = os.path.join(SOURCE, "tests/scenario/etcd-deviations.txt")
GOOD, MISMATCH, UNREADABLE = 0, 1, 2
LAST = re.compile(r"matched (\d+) of (\d+) outcomes, (\d+) files")
COUNTS = re.compile(r"(\d+) differ as listed, (\d+) are not supported, (\d+) differ and nothing")


class Run:
  """One run of the driver, and what its last two lines count."""

  def __init__(self, *arguments):
    done = subprocess.run([os.path.join(BUILD, "tests/scenario/etcd-replay"), *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
    self.status = done.returncode
    self.text = done.stdout.decode(errors="replace")
    self.errors = done.stderr.decode(errors="replace")
    lines = self.text.splitlines()
    counts = COUNTS.match(lines[-2]) if len(lines) > 1 else None
    last = LAST.fullmatch(lines[-1]) if lines else None
    check(last and counts or self.status == UNREADABLE,
          f"exit {self.status}, last lines {lines[-2:]}, {self.errors}")
    if last and counts:
      self.matched, self.outcomes, self.files = map(int, last.groups())
      self.listed, self.unsupported, self.mismatched = map(int, counts.groups())
      equal(self.matched + self.listed + self.unsupported + self.mismatched, self.outcomes,
            "the sum of all counts")
      if self.status != UNREADABLE:
        equal(self.status, MISMATCH if self.mismatched else GOOD, "exit status")

  def lines(self, part):
    return [line for line in self.text.splitlines() if part in line]


def debian(folder):
  path = os.path.join(DEBIAN, folder)
  if not os.path.isdir(path):
    raise tap.Skip(f"{path} is not there: golang-etcd-server-dev is not installed")
  return path


def own(name):
  with open(os.path.join(OWN, name), encoding="utf-8") as file:
    return file.read()


def run_text(text, *arguments):
  """The driver on a file with this text."""
  with tempfile.NamedTemporaryFile(suffix=".txt") as file:
    file.write(text if isinstance(text, bytes) else text.encode())
    file.flush()
    return Run(*arguments, file.name)


def quorum_files():
  """etcd's quorum files match to the letter"""
  run = Run(debian("quorum/testdata"))
  check(run.files >= 4 and run.outcomes >= 100, f"only {run.files} files, {run.outcomes} outcomes")
  equal(run.matched, run.outcomes, "matched")


def interaction_files():
  """etcd's interaction files: every outcome matches, or the list says why not"""
  run = Run(debian("testdata"))
  tap.diag("\n".join(run.lines(": matched ")))
  check(run.files >= 9, f"only {run.files} files")
  equal(run.lines("MISMATCH"), [], "mismatches")
  equal(run.mismatched, 0, "what nothing explains")
  equal(run.lines("the list, line"), [], "differences of the list that are not there")
  campaign = Run(os.path.join(DEBIAN, "testdata/campaign.txt"))
  equal(campaign.matched, campaign.outcomes, "matched in campaign.txt")
  snapshot = Run(os.path.join(DEBIAN, "testdata/snapshot_succeed_via_app_resp.txt"))
  equal(snapshot.matched, snapshot.outcomes - 5, "matched in snapshot_succeed_via_app_resp.txt")


def configuration_files():
  """etcd's files of configuration changes are counted, one outcome a directive, and none matched"""
  folder = debian("confchange/testdata")
  run = Run(folder)
  directives = 0
  for name in os.listdir(folder):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
      directives += file.read().count("\n----\n")
  equal((run.matched, run.unsupported), (0, directives), "matched and not supported")
  equal(len(run.lines("1 not supported: ")), directives, "lines with a reason")


def own_files():
  """our own files match: a life of four nodes, refused votes, the options, quorums, the language"""
  for name in ("life.txt", "refused.txt", "options.txt", "quorum.txt", "format.txt"):
    run = Run(os.path.join(OWN, name))
    equal(run.matched, run.outcomes, f"matched in {name}: {run.text}")
    check(run.outcomes >= 8, f"{name} has only {run.outcomes} outcomes")


def carriage_returns():
  """lines may end in carriage return and newline, and the last one in nothing"""
  plain, windows = own("life.txt"), own("life.txt").replace("\n", "\r\n").rstrip("\r\n")
  equal(run_text(windows).matched, run_text(plain).matched, "matched")


# FILE, what stands there, what is made of it, and the outcome that must be found wrong. The place is
# the last one.
LIES = [
    ("life.txt", "INFO 1 became candidate at term 5", "INFO 1 became leader at term 5", "1.role"),
    ("life.txt", "INFO 1 became candidate at term 5", "INFO 1 became candidate at term 6", "1.term"),
    ("life.txt", "HardState Term:2 Commit:9\n  Entries:\n  2/9 EntryNormal \"\"\n\nraft-log 2",
     "HardState Term:2 Commit:8\n  Entries:\n  2/9 EntryNormal \"\"\n\nraft-log 2", "2.commit"),
    ("life.txt", "HardState Term:2 Vote:1 Commit:9", "HardState Term:2 Vote:3 Commit:9", "3.vote"),
    ("life.txt", "cast MsgVote for 1 [", "cast MsgVote for 2 [", "3.vote"),
    ("life.txt", "3: StateLeader (Voter) Term:4 Lead:3", "3: StateLeader (Voter) Term:4 Lead:2",
     "3.leader"),
    ("life.txt", "4: StateFollower (Non-Voter) Term:4", "4: StateFollower (Voter) Term:4",
     "4.voter"),
    ("life.txt", "4: StateReplicate match=13", "4: StateProbe match=13", "1.progress[4].state"),
    ("life.txt", "2: StateReplicate match=13", "2: StateReplicate match=12", "1.progress[2].match"),
    ("life.txt", "next=14\n2:", "next=15\n2:", "1.progress[1].next"),
    ("life.txt", "2/10 EntryNormal \"via-3\"", "2/10 EntryNormal \"via-2\"", "4.disk"),
    ("life.txt", "2/10 EntryNormal \"via-3\"", "1/10 EntryNormal \"via-3\"", "4.disk"),
    ("life.txt", "\n2/10 EntryNormal \"via-3\"", "", "4.stored"),
    ("life.txt", "Entries:\n1/9 EntryNormal \"lost\"", "Entries:\n1/9 EntryNormal \"found\"", "2.log"),
    ("life.txt", "Entries:\n1/9 EntryNormal \"lost\"", "Entries:\n1/10 EntryNormal \"lost\"",
     "2.last"),
    ("life.txt", "  CommittedEntries:\n  2/9 EntryNormal \"\"",
     "  CommittedEntries:\n  2/9 EntryNormal \"\"\n  2/10 EntryNormal \"\"", "1.decided"),
    ("life.txt", "raft proposal dropped", "ok", "2.proposal"),
    ("options.txt", "1/4 EntryNormal \"\"\n\nprocess-append",
     "1/4 EntryNormal \"\"\n1/5 EntryNormal \"slow\"\n\nprocess-append", "1.disk"),
    ("options.txt", "INFO 1 became follower at term 1", "INFO 1 became follower at term 2", "1.term"),
    ("options.txt", "3: StateFollower (Voter) Term:1 Lead:1", "3: StatePreCandidate (Voter) Term:1 "
     "Lead:1", "3.role"),
    ("refused.txt", "2: StateFollower (Voter) Term:5 Lead:0", "2: StateFollower (Voter) Term:5 Lead:1",
     "2.leader"),
    ("refused.txt", "6/17 EntryNormal \"\"\n\nstatus", "5/17 EntryNormal \"\"\n\nstatus", "2.disk"),
    ("quorum.txt", "(id=5)\n70", "(id=5)\n80", "answer"),
    ("quorum.txt", "xx>       80    (id=3)", "xx>       81    (id=3)", "answer"),
    ("quorum.txt", "VoteLost", "VotePending", "answer"),
    ("format.txt", "VoteLost", "VoteWon", "answer"),
]


def lies_are_found():
  """a wrong expectation is a mismatch, at its place and of its outcome, and exit status 1"""
  for name, true, false, outcome in LIES:
    before, found, after = own(name).rpartition(true)
    check(found, f"{name} has no {true!r}")
    run = run_text(before + false + after)
    wrong = run.lines("MISMATCH: ")
    check(any(f": {outcome}: MISMATCH: " in line for line in wrong),
          f"{name}, {true!r} made {false!r}: {outcome} is not among {wrong}")
    equal(run.status, MISMATCH, f"exit status for {false!r}")


def what_is_not_known():
  """unknown commands, arguments and nodes are told with file and line, and do not fail"""
  run = Run(os.path.join(OWN, "beyond.txt"))
  equal(run.status, GOOD, "exit status")
  for line, what in ((7, "add-nodes: 1 not supported (colour)"), (11, "make-tea: 1 not supported"),
                     (27, "campaign: 1 not supported (no such node)"),
                     (35, "deliver-msgs: 1 not supported (a type of messages)"),
                     (53, "broken: 1 not supported (the line cannot be parsed)"),
                     (57, "simple: 1 not supported"),
                     (69, "stabilize: 11 not supported (since line 69: etcd switched to"),
                     (76, "raft-state: 12 not supported (since line 69: etcd switched to")):
    check(run.lines(f"beyond.txt:{line}: {what}"), f"line {line}: no {what!r} in {run.text}")
  equal((run.matched, run.unsupported), (13, 32), "matched and not supported")


def the_list_decides():
  """a difference counts as explained only while the list has it, with both values"""
  path = os.path.join(debian("testdata"), "snapshot_succeed_via_app_resp.txt")
  with open(LIST, encoding="utf-8") as file:
    text = file.read()
  line = next(line for line in text.splitlines() if "app_resp.txt:106 | stabilize | 3.commit" in line)
  for replacement in ("", line.replace("| 0 |", "| 7 |"), line.replace("3.commit", "2.commit")):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as other:
      other.write(text.replace(line, replacement))
      other.flush()
      run = Run("--list", other.name, path)
      equal((run.mismatched, run.listed), (1, 4), "mismatched and listed")
      check(run.lines(":106: stabilize: 3.commit: MISMATCH: etcd 11, here 0"), run.text)
      equal(len(run.lines("the list, line")), 1 if replacement else 0, "untrue lines of the list")
  with tempfile.NamedTemporaryFile("w", suffix=".txt") as other:
    other.write("# nothing\nreason x | y\ndiffers somewhere\n")
    other.flush()
    run = Run("--list", other.name, path)
    equal(run.status, UNREADABLE, "exit status with a malformed list")
    check(f"{other.name}:3:" in run.errors, run.errors)
    other.seek(0)
    other.truncate()
    other.flush()
    run = Run("--list", other.name, os.path.join(OWN, "beyond.txt"))
    equal(run.mismatched, 32, "with an empty list nothing is excused: mismatched")


def paths():
  """directories are searched, and what cannot be read is told and gives exit status 2"""
  with tempfile.TemporaryDirectory() as folder:
    run = Run(folder)
    equal((run.status, run.files, run.outcomes), (GOOD, 0, 0), "an empty directory")
    os.makedirs(f"{folder}/a/b")
    for name in ("one.txt", "a/two", "a/b/three.txt", "a/code.go", "a/.hidden.txt", "a/old.txt~"):
      with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
        file.write("vote cfg=(1) votes=(y)\n----\nVoteWon\n")
    run = Run(folder)
    equal((run.files, run.matched, run.outcomes), (3, 3, 3), "files, matched, outcomes")
    run = Run(f"{folder}/a/code.go", f"{folder}/one.txt")
    equal((run.files, run.matched), (2, 2), "a file that is named is taken, whatever its name")
    run = Run(f"{folder}/none.txt", f"{folder}/one.txt")
    equal((run.status, run.files, run.matched), (UNREADABLE, 1, 1), "with a path that is not there")
    check("none.txt: No such file" in run.errors, run.errors)
  equal(Run().status, UNREADABLE, "exit status without a path")
  equal(Run("--nonsense").status, UNREADABLE, "exit status of an unknown option")


def spoil(text, chance):
  """The file with a few lines cut, doubled, moved or written over."""
  lines = text.split(b"\n")
  for _ in range(chance.randint(1, 10)):
    at = chance.randrange(len(lines) + 1)
    what = chance.randrange(4)
    if what == 0:
      del lines[at:at + chance.randint(1, 20)]
    elif what == 1:
      start = chance.randrange(len(lines) + 1)
      lines[at:at] = lines[start:start + 20]
    elif what == 2:
      lines[at:at] = [b"campaign %d" % chance.randint(0, 9), b"----", b"ok", b""]
    elif at < len(lines) and lines[at]:
      line = bytearray(lines[at])
      line[chance.randrange(len(line))] = chance.randrange(256)
      lines[at] = bytes(line)
  return b"\n".join(lines)


def spoilt_files():
  """300 spoilt files: none crashes the driver, each is counted to its end"""
  chance = random.Random(20)
  texts = [own(name).encode() for name in sorted(os.listdir(OWN))]
  for number in range(300):
    run = run_text(spoil(chance.choice(texts), chance))
    check(run.status in (GOOD, MISMATCH), f"file {number}: exit {run.status}, {run.errors}")


def long_random_lives():
  """commands at random, thousands of them: no property of Raft is violated, nothing overflows"""
  chance = random.Random(21)
  for number in range(30):
    nodes = chance.randint(1, 7)
    options = "".join(chance.choice(("", f" {name}=true"))
                      for name in ("prevote", "checkquorum", "async-storage-writes"))
    lines = [f"add-nodes {nodes} voters=({','.join(map(str, range(1, nodes + 1)))}) index=3{options}"]
    for _ in range(chance.choice((100, 400, 1500))):
      one, other = chance.randint(1, nodes), chance.randint(1, nodes)
      lines.append(chance.choice((
          f"campaign {one}", f"propose {one} p{other}", f"process-ready {one}", f"process-ready {one}",
          f"deliver-msgs {one}", f"deliver-msgs {one}", f"deliver-msgs drop=({one})",
          f"stabilize {one} {other}", f"tick-heartbeat {one}", f"tick-election {one}",
          f"process-append-thread {one}", f"transfer-leadership from={one} to={other}",
          "stabilize")))
    run = run_text("".join(f"{line}\n----\nok\n\n" for line in lines))
    equal(run.lines("safety"), [], f"life {number}")
    equal(run.lines("goes on and on"), [], f"life {number}")


if __name__ == "__main__":
  tap.run([quorum_files, interaction_files, configuration_files, own_files, carriage_returns,
           lies_are_found, what_is_not_known, the_list_decides, paths, spoilt_files,
           long_random_lives])
