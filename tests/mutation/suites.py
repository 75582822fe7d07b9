"""Which modules are changed, and the test files that are to notice: fast ones, in one process."""

RESPONDER = (
    "tests/db/test_turn_input.py",
    "tests/db/test_bursts.py",
    "tests/db/test_outbox.py",
    "tests/db/test_opt_outs.py",
    "tests/db/test_own_messages.py",
    "tests/db/test_selection.py",
    "tests/db/test_turns.py",
    "tests/loop/test_answering.py",
    "tests/loop/test_opting_out.py",
    "tests/promises/test_backlog.py",
    "tests/agents/test_agent.py",
    "tests/responder/test_length_budget.py",
    "tests/responder/test_group_commit.py",
    "tests/responder/test_loop_detection.py",
    "tests/responder/test_message_splitting.py",
    "tests/responder/test_reply_window.py",
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
    "shoptalk/db/turn_input.py": RESPONDER,
    "shoptalk/db/selection.py": RESPONDER,
    "shoptalk/db/turns.py": RESPONDER,
    "shoptalk/responder/length_budget.py": RESPONDER,
    "shoptalk/responder/outbox.py": RESPONDER,
    "shoptalk/responder/loop_detection.py": RESPONDER,
    "shoptalk/responder/passes.py": RESPONDER,
    "shoptalk/responder/message_splitting.py": RESPONDER,
    "shoptalk/responder/reply_window.py": RESPONDER,
    "shoptalk/importer/thread_sync.py": IMPORTER,
    "shoptalk/importer/channels.py": IMPORTER,
    "shoptalk/importer/poll_batch.py": IMPORTER,
    "shoptalk/importer/poll.py": IMPORTER,
    "shoptalk/importer/threads.py": IMPORTER,
}
