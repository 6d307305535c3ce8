"""The `bisnes` command: starts and stops the gateway, and speaks to it from outside.

It talks HTTP to the API and ZeroMQ to Circus and shares no process with either. Only what must work before there is an
API or a key (`migrate`, `keys`), or without it (`status`), goes to the database directly.

-   `main`: the command with its subcommands and exit codes; those for processes are `bisnes_supervisor.cli`'s;
-   `up`, `processes`, `accounts`, `channels`: the subcommands, and what the supervisor's are told of the gateway;
-   `installation`: folders, ports, secrets and environment of one installation;
-   `gateway`: circusd as a child; `http`: the API as a peer; `demo`: the demo company.
"""
