"""Circus, made fit to supervise the gateway: `bisnes-circusd circus.ini`.

Everything here works on any Circus configuration and shares no code with what it supervises. A plain
`circusd circus.ini` runs the same configuration without what the modules below add.

-   `circusd`: the command;
-   `arbiter`: prompt respawn, ordered and certain stop;
-   `watcher`: no line of a dying process is lost;
-   `streams`: log files that keep lines whole;
-   `environment`: ports from the environment, values with `$` left alone;
-   `hooks`: watchers that start only when a variable is unset.
"""
