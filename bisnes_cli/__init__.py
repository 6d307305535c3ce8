"""The `bisnes` command: starts and stops the gateway, and speaks to it from outside.

It talks HTTP to the API and ZeroMQ to Circus and shares no process with either. Only what must work before there is an
API or a key (`migrate`, `keys`) goes to the database directly.

-   `main`: the command with its subcommands and exit codes;
-   `up`, `down`, `processes`, `accounts`: the subcommands;
-   `installation`: folders, ports, secrets and environment of one installation;
-   `gateway`: circusd as a child; `control`: circusd as a peer; `http`: the API as a peer; `demo`: the demo company.
"""
