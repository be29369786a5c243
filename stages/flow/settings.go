package flow

import "lfm/pipeline"

// SampleSettings are the settings of sampling that decode and evaluate have in common. Its defaults are those of
// DefaultSampleSettings.
type SampleSettings struct {
	Grid             string    `yaml:"grid" oneof:"uniform shifted edm" doc:"the times of the steps: equally long, shifted, or by noise level as in EDM"`
	GridShift        float64   `yaml:"grid_shift" min:"0.01" max:"100" doc:"of grid shifted: more than 1 makes short steps near the noise, less near the data"`
	GridRho          float64   `yaml:"grid_rho" min:"1" max:"100" doc:"of grid edm: the larger, the shorter the steps near the data"`
	GuidanceInterval []float64 `yaml:"guidance_interval" min:"0" max:"1" doc:"[from, to]: the times at which samples are guided; at the others they are plainly conditional, which costs half"`
	GuidanceRescale  float64   `yaml:"guidance_rescale" min:"0" max:"1" doc:"how far guided samples are brought back to the contrast of conditional ones: 0 not at all, 1 wholly"`
	ClipData         float64   `yaml:"clip_data" min:"0" max:"100" doc:"how many standard deviations from the mean of the latents what is predicted of the data may lie; 0: anywhere"`
}

// DefaultSampleSettings are equally long steps, guided at all times.
func DefaultSampleSettings() SampleSettings {
	return SampleSettings{Grid: UniformGrid, GridShift: 3, GridRho: 7, GuidanceInterval: []float64{0, 1}}
}

// Validate says what the tags cannot.
func (s *SampleSettings) Validate() error {
	if i := s.GuidanceInterval; len(i) != 2 || i[0] >= i[1] {
		return pipeline.FieldError{Name: "guidance_interval", Msg: "wants two times, the smaller first: [0.2, 0.75]"}
	}
	switch d := DefaultSampleSettings(); {
	case s.Grid != ShiftedGrid && s.GridShift != d.GridShift:
		return pipeline.FieldError{Name: "grid_shift", Msg: "is a setting of grid: shifted"}
	case s.Grid != EDMGrid && s.GridRho != d.GridRho:
		return pipeline.FieldError{Name: "grid_rho", Msg: "is a setting of grid: edm"}
	}
	return nil
}

// Apply adds the settings to options, those alone that make a difference there: options of samples that come out the
// same are equal.
func (s *SampleSettings) Apply(o SampleOptions) SampleOptions {
	if s.Grid != UniformGrid {
		o.Grid = s.Grid
	}
	switch s.Grid {
	case ShiftedGrid:
		o.Shift = s.GridShift
	case EDMGrid:
		o.Rho = s.GridRho
	}
	o.Clip = s.ClipData
	if guidance(o.Guidance).halves() == 2 {
		o.Rescale = s.GuidanceRescale
		if i := (Interval{s.GuidanceInterval[0], s.GuidanceInterval[1]}); !i.all() {
			o.Interval = i
		}
	}
	return o
}
