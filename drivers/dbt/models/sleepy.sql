{{ config(enabled=var('sleepy', false)) }}
select 1 as n from pg_sleep(60)
