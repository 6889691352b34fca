"""Figures of peers beside those of what else starts processes and calls functions there: ``python benchmarks/compare.py``.

It needs the package; what else it can compare with is the dependency group ``benchmarks`` and Erlang's ``erl``.
What is missing is named in the table. ``--help`` shows the options, docs/benchmarks.md how to read the table.
"""

# Nothing else at the top: a process that multiprocessing spawns runs this file, and shall not pay for it.
if __name__ == "__main__":
    import sys

    import command

    sys.exit(command.main())
