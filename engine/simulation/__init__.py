"""Campaigns in virtual time: the real `engine.floor.Floor`, and everything around it played.

    run            one scenario, one pacing, one seed → one `Result`
    pacings        the names of `--pacing`, ours and the peers', as what a floor is made with
    world          the loop of virtual time: whose turn it is, and who carries out which command
    outbound       the called people, the machines and the trunk · inbound: callers
    desks          the agents: shifts, talks, wrap-up
    book           the store: leads, the ledger's sums, the forecast
    tally, result  what is counted, and what is told of it
    fates          what becomes of attempt number k, whatever the pacing
    record         a recorded campaign as people and a scenario, played again · presence: who was at work, as steps
    changes        what is to be otherwise than recorded
    agenda         what happens when · chance: uniform numbers by key and index
    scenario       the file · distributions: durations · series: values over the day

Nothing of pacing is decided here: who dials how much is the floor's business, as it is live.
"""

from engine.simulation.scenario import Scenario, load

__all__ = ["Scenario", "load"]
