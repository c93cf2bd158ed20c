"""How many calls now, and which trunk carries them: pure, decided from what the floor shows.

pacing      the contract: what a pacing sees (`Sight`), what it proposes (`Proposal`), what it learns from
modes       progressive, power, preview, agentless
predictive  the marginal-block index, on hazards, estimators and the exact distribution of poisson_binomial
governor    the last word: how many of the proposed dials the abandonment budgets allow
trunks      lines, calls per second, circuit breakers
law         may this number be dialled at this moment
baselines   how others pace, re-implemented from their described rules, for comparison in the simulator only
"""
