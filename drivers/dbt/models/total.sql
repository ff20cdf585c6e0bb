select count(*) as many, sum(n) as total, max(t) as last from {{ ref('numbers') }}
