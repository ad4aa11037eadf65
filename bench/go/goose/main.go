// Goose as its command runs it: a folder of SQL files, one transaction each.
package main

import (
	"database/sql"
	"log"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

func main() {
	database, err := sql.Open("pgx", os.Args[1])
	if err == nil {
		err = goose.SetDialect("postgres")
	}
	if err == nil {
		err = goose.Up(database, os.Args[2])
	}
	if err != nil {
		log.Fatal(err)
	}
}
