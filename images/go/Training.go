package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	_ = json.NewEncoder(os.Stdout).Encode(http.StatusText(http.StatusTeapot))
	fmt.Println("go")
}
