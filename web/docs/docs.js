/*
 * The reference page: Swagger UI shows the operations; what is here adds the list of families at the side and a search
 * over everything an operation says: path, words, names of fields and parameters, requirements.
 */
'use strict';

(() => {
	const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'];
	const DEEPEST = 12;
	const at = (id) => document.getElementById(id);

	function notice(text) {
		const p = document.createElement('p');

		p.className = 'notice';
		p.textContent = text;
		at('reference').replaceChildren(p);
	}

	/* ---- what can be found ------------------------------------------------------------------- */

	function target(spec, ref) {
		return ref.slice(2).split('/').reduce((node, key) =>
			node?.[key.replace(/~1/g, '/').replace(/~0/g, '~')], spec);
	}

	/* Texts and names below a node of the document, references followed. */
	function collect(spec, node, out, depth) {
		if (depth > DEEPEST || node === null || typeof node !== 'object')
			return;
		if (typeof node.$ref === 'string')
			collect(spec, target(spec, node.$ref), out, depth + 1);
		for (const key of ['summary', 'description', 'name', 'operationId', 'title'])
			if (typeof node[key] === 'string')
				out.push(node[key]);
		for (const key of ['tags', 'x-requirement', 'enum'])
			if (Array.isArray(node[key]))
				out.push(...node[key]);
		if (node.properties)
			out.push(...Object.keys(node.properties));
		for (const [key, child] of Object.entries(node))
			if (key !== 'example' && key !== 'examples')
				collect(spec, child, out, depth + 1);
	}

	/* "get /path" to its text and family. */
	function index(spec) {
		const operations = new Map();

		for (const [path, item] of Object.entries(spec.paths ?? {}))
			for (const method of METHODS) {
				const out = [method, path];

				if (!item[method])
					continue;
				collect(spec, {...item[method], shared: item.parameters}, out, 0);
				operations.set(`${method} ${path}`,
					{tag: item[method].tags?.[0] ?? 'default', text: out.join('\n').toLowerCase()});
			}
		return operations;
	}

	const words = (phrase) => phrase.toLowerCase().split(/\s+/).filter(Boolean);
	const matches = (operation, wanted) => wanted.every((word) => operation.text.includes(word));

	/* ---- Swagger UI -------------------------------------------------------------------------- */

	let operations = new Map();

	const search = () => ({
		fn: {
			opsFilter(families, phrase) {
				const wanted = words(phrase);

				return families.map((family) => family.set('operations',
					family.get('operations').filter((o) => {
						const known = operations.get(`${o.get('method')} ${o.get('path')}`);
						return known && matches(known, wanted);
					}))).filter((family) => family.get('operations').size);
			},
		},
		wrapComponents: {FilterContainer: () => () => null, InfoContainer: () => () => null},
	});

	/* ---- the side and the bar ---------------------------------------------------------------- */

	function listFamilies(spec, wanted) {
		const counts = new Map(), list = at('families');
		let found = 0;

		for (const operation of operations.values()) {
			if (!matches(operation, wanted))
				continue;
			counts.set(operation.tag, (counts.get(operation.tag) ?? 0) + 1);
			found++;
		}
		list.replaceChildren(...(spec.tags ?? []).filter((tag) => counts.has(tag.name)).map((tag) => {
			const item = document.createElement('li'), link = document.createElement('a'),
				count = document.createElement('span');

			link.href = `#/${encodeURIComponent(tag.name)}`;
			link.title = tag.description ?? '';
			link.textContent = tag.name;
			link.dataset.tag = tag.name;
			count.textContent = counts.get(tag.name);
			item.append(link, count);
			return item;
		}));
		at('count').textContent = wanted.length ? `${found} of ${operations.size} operations`
			: `${operations.size} operations`;
	}

	function showFamily(name) {
		const head = at(`operations-tag-${name.replace(/\s/g, '_')}`);

		if (!head)
			return;
		if (head.dataset.isOpen === 'false')
			head.click();
		head.scrollIntoView();
	}

	function follow(ui, spec) {
		let timer;

		at('search').addEventListener('input', (event) => {
			clearTimeout(timer);
			timer = setTimeout(() => {
				const phrase = event.target.value.trim();

				ui.layoutActions.updateFilter(phrase || false);
				listFamilies(spec, words(phrase));
				window.scrollTo(0, 0);
			}, 120);
		});
		at('families').addEventListener('click', (event) => {
			if (event.target.dataset.tag) {
				event.preventDefault();
				history.replaceState(null, '', event.target.getAttribute('href'));
				showFamily(event.target.dataset.tag);
			}
		});
		document.addEventListener('keydown', (event) => {
			if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey ||
				event.target.closest('input, textarea, select, [contenteditable]'))
				return;
			event.preventDefault();
			at('search').select();
		});
		at('search').dispatchEvent(new Event('input')); /* kept by the browser over a reload */
	}

	async function show() {
		const reply = await fetch('/openapi.json');

		if (!reply.ok)
			throw new Error(`/openapi.json answers ${reply.status}`);
		const spec = await reply.json();

		operations = index(spec);
		document.title = at('title').textContent = spec.info.title;
		listFamilies(spec, []);
		const ui = SwaggerUIBundle({
			spec,
			dom_id: '#reference',
			deepLinking: true,
			docExpansion: 'list',
			defaultModelsExpandDepth: -1,
			defaultModelExpandDepth: 4,
			defaultModelRendering: 'model',
			displayRequestDuration: true,
			requestSnippetsEnabled: true,
			showExtensions: true,
			validatorUrl: null,
			plugins: [search],
			onComplete: () => follow(ui, spec),
		});
	}

	if (typeof SwaggerUIBundle === 'undefined')
		notice('swagger-ui-bundle.js is not there: it is put beside this page by "./rookery up" or "make web-files".');
	else
		show().catch((error) => notice(`The reference cannot be shown: ${error.message}`));
})();
