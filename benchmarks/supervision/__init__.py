"""`bisnes_supervisor` beside Circus as shipped, PM2 and Supervisor, on the same programs.

-   `programs`: what is supervised;
-   `workload`: those programs as apps, with the rules that each contender translates;
-   `contender`, `circusd`, `pm2`, `supervisord`: the supervisors, each in a folder of its own;
-   `installation`: brings PM2 and Supervisor;
-   `respawn`, `crash`, `memory`, `reload`, `idle`: what is measured;
-   `load`: the requests during a reload;
-   `targets`: what ours must reach.
"""
