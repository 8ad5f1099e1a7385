import os
import sys

print(sys.argv[1:], os.environ["HOME"], os.environ["USER"], os.getcwd())
sys.exit(3)
