// golang-migrate as its command runs it: a folder of SQL files, one query each.
package main

import (
	"errors"
	"log"
	"os"
	"strings"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	_ "github.com/golang-migrate/migrate/v4/source/file"
)

func main() {
	url := strings.Replace(os.Args[1], "postgresql:", "pgx5:", 1)
	runner, err := migrate.New("file://"+os.Args[2], url)
	if err == nil {
		err = runner.Up()
	}
	if err != nil && !errors.Is(err, migrate.ErrNoChange) {
		log.Fatal(err)
	}
}
