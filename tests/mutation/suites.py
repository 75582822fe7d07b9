"""Which modules are changed, and the test files that are to notice: fast ones, in one process."""

RESPONDER = (
    "tests/db/test_briefs.py",
    "tests/db/test_bursts.py",
    "tests/db/test_ledger.py",
    "tests/db/test_opt_outs.py",
    "tests/db/test_our_own.py",
    "tests/db/test_selection.py",
    "tests/db/test_turns.py",
    "tests/loop/test_answering.py",
    "tests/loop/test_opting_out.py",
    "tests/promises/test_backlog.py",
    "tests/responder/test_agent.py",
    "tests/responder/test_brevity.py",
    "tests/responder/test_group_commit.py",
    "tests/responder/test_loops.py",
    "tests/responder/test_split.py",
    "tests/responder/test_window.py",
)
IMPORTER = (
    "tests/importer/test_frugality.py",
    "tests/importer/test_history.py",
    "tests/importer/test_holes.py",
    "tests/importer/test_poll.py",
    "tests/importer/test_reader.py",
    "tests/promises/test_spoilt_lists.py",
)

#: Those for which the tests above are enough. One is added with the tests that are to notice.
MODULES = {
    "shoptalk/db/briefs.py": RESPONDER,
    "shoptalk/db/selection.py": RESPONDER,
    "shoptalk/db/turns.py": RESPONDER,
    "shoptalk/responder/brevity.py": RESPONDER,
    "shoptalk/responder/ledger.py": RESPONDER,
    "shoptalk/responder/loops.py": RESPONDER,
    "shoptalk/responder/passes.py": RESPONDER,
    "shoptalk/responder/split.py": RESPONDER,
    "shoptalk/responder/window.py": RESPONDER,
    "shoptalk/importer/catch_up.py": IMPORTER,
    "shoptalk/importer/channels.py": IMPORTER,
    "shoptalk/importer/harvest.py": IMPORTER,
    "shoptalk/importer/poll.py": IMPORTER,
    "shoptalk/importer/threads.py": IMPORTER,
}
