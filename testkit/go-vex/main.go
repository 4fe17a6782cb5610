// SPDX-License-Identifier: Apache-2.0

// go-vex-match answers, by the functions of go-vex alone, which statements of OpenVEX documents are about something.
// Several documents are merged, by go-vex, too.
//
//	go-vex-match DOCUMENT… <QUESTIONS >ANSWERS
//
// A question is a line of JSON with the vulnerability's name, the product, and parts of it, if it is about those. The
// answer is a line of JSON: a list of all statements that match, the oldest first.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/openvex/go-vex/pkg/vex"
)

type question struct {
	Vulnerability string   `json:"vulnerability"`
	Product       string   `json:"product"`
	Parts         []string `json:"parts"`
}

type answer struct {
	Status string `json:"status"`
	Time   string `json:"time"`
	ID     string `json:"id"`
}

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "go-vex-match:", err)
		os.Exit(1)
	}
}

func run(paths []string, in io.Reader, out io.Writer) error {
	document, err := load(paths)
	if err != nil {
		return err
	}
	questions, answers := json.NewDecoder(in), json.NewEncoder(out)
	questions.DisallowUnknownFields()
	for {
		var asked question
		if err := questions.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		matching := []answer{}
		for _, one := range document.Matches(asked.Vulnerability, asked.Product, asked.Parts) {
			time := ""
			if one.Timestamp != nil {
				time = one.Timestamp.UTC().Format("2006-01-02T15:04:05Z")
			}
			matching = append(matching, answer{string(one.Status), time, one.ID})
		}
		if err := answers.Encode(matching); err != nil {
			return err
		}
	}
}

func load(paths []string) (*vex.VEX, error) {
	documents := make([]*vex.VEX, 0, len(paths))
	for _, path := range paths {
		document, err := vex.Open(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for number := range document.Statements {
			if err := document.Statements[number].Validate(); err != nil {
				return nil, fmt.Errorf("%s: statement %d: %w", path, number, err)
			}
		}
		documents = append(documents, document)
	}
	if len(documents) == 1 {
		return documents[0], nil
	}
	return vex.MergeDocuments(documents)
}
