select n, 'row ' || n as t from generate_series(1, {{ var('rows') }}) n
