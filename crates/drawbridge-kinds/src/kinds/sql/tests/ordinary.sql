SELECT count(*) FROM orders
SELECT status AS g, count(*) AS a FROM orders GROUP BY status ORDER BY g, a
SELECT customer_id AS g, count(*) AS a FROM orders GROUP BY customer_id ORDER BY g, a
SELECT substr(placed, 1, 7) AS g, count(*) AS a FROM orders GROUP BY substr(placed, 1, 7) ORDER BY g, a
SELECT sum(amount) FROM orders
SELECT status AS g, sum(amount) AS a FROM orders GROUP BY status ORDER BY g, a
SELECT customer_id AS g, sum(amount) AS a FROM orders GROUP BY customer_id ORDER BY g, a
SELECT substr(placed, 1, 7) AS g, sum(amount) AS a FROM orders GROUP BY substr(placed, 1, 7) ORDER BY g, a
SELECT avg(amount) FROM orders
SELECT status AS g, avg(amount) AS a FROM orders GROUP BY status ORDER BY g, a
SELECT customer_id AS g, avg(amount) AS a FROM orders GROUP BY customer_id ORDER BY g, a
SELECT substr(placed, 1, 7) AS g, avg(amount) AS a FROM orders GROUP BY substr(placed, 1, 7) ORDER BY g, a
SELECT min(placed) FROM orders
SELECT status AS g, min(placed) AS a FROM orders GROUP BY status ORDER BY g, a
SELECT customer_id AS g, min(placed) AS a FROM orders GROUP BY customer_id ORDER BY g, a
SELECT substr(placed, 1, 7) AS g, min(placed) AS a FROM orders GROUP BY substr(placed, 1, 7) ORDER BY g, a
SELECT max(amount) FROM orders
SELECT status AS g, max(amount) AS a FROM orders GROUP BY status ORDER BY g, a
SELECT customer_id AS g, max(amount) AS a FROM orders GROUP BY customer_id ORDER BY g, a
SELECT substr(placed, 1, 7) AS g, max(amount) AS a FROM orders GROUP BY substr(placed, 1, 7) ORDER BY g, a
SELECT count(DISTINCT customer_id) FROM orders
SELECT status AS g, count(DISTINCT customer_id) AS a FROM orders GROUP BY status ORDER BY g, a
SELECT customer_id AS g, count(DISTINCT customer_id) AS a FROM orders GROUP BY customer_id ORDER BY g, a
SELECT substr(placed, 1, 7) AS g, count(DISTINCT customer_id) AS a FROM orders GROUP BY substr(placed, 1, 7) ORDER BY g, a
SELECT total(amount) FROM orders
SELECT status AS g, total(amount) AS a FROM orders GROUP BY status ORDER BY g, a
SELECT customer_id AS g, total(amount) AS a FROM orders GROUP BY customer_id ORDER BY g, a
SELECT substr(placed, 1, 7) AS g, total(amount) AS a FROM orders GROUP BY substr(placed, 1, 7) ORDER BY g, a
SELECT id, amount FROM orders WHERE amount > 50 ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE amount > 50
SELECT id, amount FROM orders WHERE amount BETWEEN 10 AND 60 ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE amount BETWEEN 10 AND 60
SELECT id, amount FROM orders WHERE status IN ('open', 'paid') ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE status IN ('open', 'paid')
SELECT id, amount FROM orders WHERE status NOT IN ('open') ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE status NOT IN ('open')
SELECT id, amount FROM orders WHERE note IS NULL ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE note IS NULL
SELECT id, amount FROM orders WHERE note IS NOT NULL ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE note IS NOT NULL
SELECT id, amount FROM orders WHERE note LIKE 'n%' ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE note LIKE 'n%'
SELECT id, amount FROM orders WHERE NOT (amount > 50 OR status = 'open') ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE NOT (amount > 50 OR status = 'open')
SELECT id, amount FROM orders WHERE placed >= '2026-03-01' AND placed < '2026-06-01' ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE placed >= '2026-03-01' AND placed < '2026-06-01'
SELECT id, amount FROM orders WHERE customer_id % 3 = 1 ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE customer_id % 3 = 1
SELECT id, amount FROM orders WHERE length(note) > 5 ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE length(note) > 5
SELECT id, amount FROM orders WHERE amount * 2 + 1 < 90 ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE amount * 2 + 1 < 90
SELECT id, amount FROM orders WHERE coalesce(note, 'none') = 'none' ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE coalesce(note, 'none') = 'none'
SELECT id, amount FROM orders WHERE CASE WHEN amount > 50 THEN 1 ELSE 0 END = 1 ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE CASE WHEN amount > 50 THEN 1 ELSE 0 END = 1
SELECT id, amount FROM orders WHERE (status, customer_id) = ('open', 3) ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE (status, customer_id) = ('open', 3)
SELECT id, amount FROM orders WHERE id <> 4 AND id <= 20 ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE id <> 4 AND id <= 20
SELECT id, amount FROM orders WHERE abs(amount - 50) < 10 ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE abs(amount - 50) < 10
SELECT id, amount FROM orders WHERE upper(status) = 'PAID' ORDER BY id
SELECT count(*) AS n, sum(amount) AS total_amount FROM orders WHERE upper(status) = 'PAID'
SELECT * FROM customers ORDER BY id
SELECT * FROM orders ORDER BY id LIMIT 10
SELECT * FROM orders ORDER BY id LIMIT 10 OFFSET 5
SELECT o.* FROM orders AS o ORDER BY o.id DESC LIMIT 3
SELECT c.name, o.amount FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY o.id
SELECT c.name, count(o.id) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id, c.name ORDER BY n DESC, c.id
SELECT c.region, sum(o.amount) AS s FROM customers c INNER JOIN orders o ON c.id = o.customer_id GROUP BY c.region HAVING sum(o.amount) > 100 ORDER BY s
SELECT a.id, b.id FROM customers a JOIN customers b ON a.region = b.region AND a.id < b.id ORDER BY a.id, b.id
SELECT count(*) FROM customers CROSS JOIN orders
SELECT count(*) FROM customers, orders WHERE customers.id = orders.customer_id
SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE amount > 80) ORDER BY name, id
SELECT name FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status = 'paid') ORDER BY c.id
SELECT name FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) ORDER BY c.id
SELECT id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS n FROM customers c ORDER BY id
SELECT id, amount FROM orders WHERE amount > (SELECT avg(amount) FROM orders) ORDER BY id
SELECT region, count(*) FROM customers GROUP BY region ORDER BY 2 DESC, 1
SELECT id FROM customers UNION SELECT customer_id FROM orders ORDER BY 1
SELECT id FROM customers EXCEPT SELECT customer_id FROM orders ORDER BY 1
SELECT id FROM customers INTERSECT SELECT customer_id FROM orders ORDER BY 1
SELECT 'c' AS kind, id FROM customers UNION ALL SELECT 'o', id FROM orders ORDER BY 1, 2
WITH big AS (SELECT * FROM orders WHERE amount > 60) SELECT count(*) FROM big
WITH a AS (SELECT customer_id, sum(amount) AS s FROM orders GROUP BY customer_id), b AS (SELECT avg(s) AS m FROM a) SELECT a.customer_id FROM a, b WHERE a.s > b.m ORDER BY 1
WITH a(x, y) AS (SELECT id, amount FROM orders) SELECT x, y FROM a ORDER BY y DESC, x LIMIT 5
SELECT id, row_number() OVER (ORDER BY amount DESC, id) AS n FROM orders ORDER BY id
SELECT id, rank() OVER (PARTITION BY status ORDER BY amount) AS r FROM orders ORDER BY id
SELECT id, sum(amount) OVER (PARTITION BY customer_id ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS s FROM orders ORDER BY id
SELECT id, lag(amount) OVER (ORDER BY id) AS p, lead(amount, 2, 0) OVER (ORDER BY id) AS q FROM orders ORDER BY id
SELECT id, avg(amount) OVER w AS a FROM orders WINDOW w AS (PARTITION BY status ORDER BY id) ORDER BY id
SELECT id, ntile(4) OVER (ORDER BY amount, id) AS t FROM orders ORDER BY id
SELECT id, first_value(amount) OVER (PARTITION BY customer_id ORDER BY id) AS f FROM orders ORDER BY id
SELECT id, percent_rank() OVER (ORDER BY amount, id) AS p FROM orders ORDER BY id
SELECT status, sum(amount) FILTER (WHERE customer_id > 5) AS s FROM orders GROUP BY status ORDER BY status
SELECT DISTINCT status FROM orders ORDER BY status
SELECT DISTINCT region, name FROM customers ORDER BY region, name
SELECT count(DISTINCT region) FROM customers
SELECT status, avg(amount) AS a, min(amount) AS b, max(amount) AS c FROM orders GROUP BY status ORDER BY a
SELECT substr(placed, 1, 4) AS y, substr(placed, 6, 2) AS m, count(*) AS n FROM orders GROUP BY y, m ORDER BY y, m
SELECT strftime('%Y', placed) AS y, count(*) AS n FROM orders GROUP BY 1 ORDER BY 1
SELECT date(placed, '+1 day') AS d FROM orders ORDER BY id
SELECT julianday(placed) - julianday('2026-01-01') AS d FROM orders ORDER BY id
SELECT upper(name) || ' (' || region || ')' AS label FROM customers ORDER BY id
SELECT trim(lower(name)) AS n, length(name) AS l FROM customers ORDER BY id
SELECT CAST(amount AS INTEGER) AS i, round(amount, 1) AS r FROM orders ORDER BY id
SELECT CASE WHEN amount < 30 THEN 'low' WHEN amount < 70 THEN 'mid' ELSE 'high' END AS band, count(*) AS n FROM orders GROUP BY band ORDER BY band
SELECT CASE status WHEN 'open' THEN 1 WHEN 'paid' THEN 2 ELSE 0 END AS s FROM orders ORDER BY id
SELECT coalesce(note, 'none') AS n, nullif(status, 'open') AS s, ifnull(note, '') AS i FROM orders ORDER BY id
SELECT max(amount) - min(amount) AS spread FROM orders
SELECT sum(CASE WHEN status = 'paid' THEN amount ELSE 0 END) * 100.0 / sum(amount) AS share FROM orders
SELECT x.status, x.n FROM (SELECT status, count(*) AS n FROM orders GROUP BY status) AS x WHERE x.n > 3 ORDER BY x.n
SELECT "name", "region" FROM "customers" ORDER BY "id"
SELECT `name` FROM `customers` ORDER BY `id`
SELECT [name] FROM [customers] ORDER BY [id]
select Name from CUSTOMERS where REGION = 'north' order by ID
SELECT c1.region, count(*) AS n FROM customers c1 JOIN customers c2 USING (region) GROUP BY c1.region ORDER BY n, c1.region
SELECT count(*) FROM customers NATURAL JOIN customers AS other
SELECT id FROM orders ORDER BY amount DESC NULLS LAST, id LIMIT 7
SELECT instr(note, 'e') AS p, typeof(amount) AS t FROM orders ORDER BY id
SELECT 1 + 2 * 3 - 4 / 2 AS n
SELECT 7 % 3 AS m, -5 AS k, NOT 0 AS t
SELECT 'it''s' AS quoted, 'a--b' AS dashes, 'x;y' AS semicolon, '/* z */' AS comment
SELECT NULL IS NULL AS a, 1 IS DISTINCT FROM 2 AS b
VALUES (1, 'a'), (2, 'b')
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v
SELECT o.id FROM orders o JOIN (SELECT customer_id, max(amount) AS m FROM orders GROUP BY customer_id) t ON t.customer_id = o.customer_id AND t.m = o.amount ORDER BY o.id
SELECT c.id FROM customers c WHERE (SELECT sum(amount) FROM orders o WHERE o.customer_id = c.id) > 150 ORDER BY c.id
SELECT region, group_n FROM (SELECT region, count(*) AS group_n FROM customers GROUP BY region) AS g ORDER BY group_n DESC, region LIMIT 2
SELECT count(*) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id WHERE c.id IS NULL
SELECT c.name FROM customers c RIGHT JOIN orders o ON o.customer_id = c.id WHERE o.id < 5 ORDER BY o.id
SELECT c.id, o.id FROM customers c FULL OUTER JOIN orders o ON o.customer_id = c.id AND o.amount > 90 ORDER BY c.id, o.id
SELECT iif(amount > 50, 'big', 'small') AS size, count(*) AS n FROM orders GROUP BY size ORDER BY size
SELECT name LIKE 'a%' AS starts, count(*) AS n FROM customers GROUP BY starts ORDER BY starts
SELECT a.status, b.status FROM (SELECT DISTINCT status FROM orders) a, (SELECT DISTINCT status FROM orders) b WHERE a.status < b.status ORDER BY 1, 2
SELECT id FROM orders WHERE id IN (1, 2, 3) OR (amount > 20 AND amount < 30) ORDER BY id
