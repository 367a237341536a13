-- What is wrong in the bodies of functions in PL/pgSQL, a line each: names of tables and columns, types, variables.  Bodies in
-- SQL are checked when they are created.  A trigger's function is checked with each of its tables; one that serves several
-- and asks which has to be right for one of them only.
SELECT p.oid::regprocedure || ' line ' || c.lineno || ': ' || c.message
FROM pg_proc p CROSS JOIN LATERAL plpgsql_check_function_tb(p.oid, fatal_errors => false, other_warnings => false,
	extra_warnings => false, performance_warnings => false) c
WHERE p.pronamespace = 'public'::regnamespace AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')
	AND p.prorettype <> 'trigger'::regtype
UNION ALL
SELECT t.tgfoid::regprocedure || ' line ' || c.lineno || ': ' || c.message
FROM pg_trigger t CROSS JOIN LATERAL plpgsql_check_function_tb(t.tgfoid, t.tgrelid, fatal_errors => false,
	other_warnings => false, extra_warnings => false, oldtable => t.tgoldtable, newtable => t.tgnewtable) c
WHERE NOT t.tgisinternal
GROUP BY t.tgfoid, c.lineno, c.message
HAVING count(DISTINCT t.tgrelid) = (SELECT count(DISTINCT o.tgrelid) FROM pg_trigger o WHERE o.tgfoid = t.tgfoid)
