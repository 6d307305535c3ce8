"""The process half of a command line: what an operator does with the processes of any Circus project.

It speaks Circus's protocol, as `circusctl` does, and shares no code with what runs inside circusd.

-   `main`: the `bisnes-supervisor` command, and the commands that others mount;
-   `project`: what the commands are about: a circusd, its log files, columns of the project's own;
-   `control`: circusd as a peer; `errors`: how commands end;
-   `status`, `describe`, `monit`, `logs`: looking; `actions`: changing;
-   `table`, `figures`, `logfile`, `live`: rows, numbers, growing files and moving pictures.
"""
