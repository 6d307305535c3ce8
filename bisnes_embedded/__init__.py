"""PostgreSQL and Valkey from Python wheels, for machines that have neither.

Each is an ordinary watcher of Circus (`circus.d/postgres.ini`, `circus.d/valkey.ini`) that runs
`python -m bisnes_embedded <service>`; that command prepares the data folder and then becomes the server (`exec`), so
that the process which Circus starts, measures and signals is the server itself. Off the two message paths: everything
else only sees a socket.
"""
