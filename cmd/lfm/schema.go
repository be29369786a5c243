package main

import (
	"github.com/spf13/cobra"

	"lfm/pipeline"
)

func newSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print a JSON Schema of pipeline.yaml for editors",
		Example: `  lfm schema > pipeline.schema.json`,
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			schema, err := pipeline.Schema(kinds())
			if err != nil {
				return err
			}
			_, err = a.Out.Write(append(schema, '\n'))
			return err
		},
	}
}
