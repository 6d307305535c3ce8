"""Circus, made a full equivalent of PM2: `bisnes-circusd circus.ini` and `bisnes-supervisor`.

Everything here works on any Circus configuration and shares no code with what it supervises. A plain
`circusd circus.ini` runs the same configuration without policies. The words are in docs/supervision.md.

What runs:

-   `circusd`: the command; `warden`: its parent, which leaves nothing behind; `started`, `stale`: what was left;
-   `arbiter`: reaps at once, kills strays, stops in order; `controller`, `commands`: Circus's protocol, ours in it;
-   `watcher`: a watcher's commands; `turns`: one after another; `instances`, `slot`: what is to run, what runs;
-   `process`: one process; `attendance`, `probe`: is it ready, does it answer;
-   `niceness`: its priority; `ending`, `replacing`: its end, its successor;
-   `occasions`: clock and changed files; `sampler`, `tree`: memory and processor time of whole trees.

What is decided, without clock or process: `policy`, `restarts`, `death`; for all watchers together: `settings`.

What is kept: `journal`, `saved_state`; logs: `output`, `streams`, `log_writer`.

Around it: `cli`: the operator's commands; `startup`, `notify`: systemd; `ecosystem`, `pm2`, `import_command`: PM2's
files; `environment`, `hooks`: what ini files may say.
"""
