{{ config(enabled=var('broken', false)) }}
select 1 / 0 as n
