// Run in the page. It returns the document as a person sees it: values as they
// are now, without what is not shown. Elements are numbered in data-walk, and
// with keep document.walked keeps them for the next step. Open shadow trees
// are read as if they were part of the document.
(keep => {
	const elements = [];
	const always = new Set(['OPTION', 'OPTGROUP', 'DATALIST']);
	const never = new Set(['SCRIPT', 'STYLE', 'TEMPLATE', 'NOSCRIPT']);
	const copy = (node, out, head) => {
		for (const child of node.localName === 'slot' && node.assignedNodes().length ? node.assignedNodes() : (node.shadowRoot || node).childNodes) {
			if (child.nodeType === 3) {
				out.append(child.data);
				continue;
			}
			if (child.nodeType !== 1 || never.has(child.tagName)) continue;
			const to = into.createElement(child.localName);
			for (const { name, value } of child.attributes) {
				try { to.setAttribute(name, value); } catch { /* a name that the parser took and setAttribute does not */ }
			}
			copy(child, to, head || child.tagName === 'HEAD');
			const secret = child.tagName === 'INPUT' && child.type === 'hidden';
			if (!head && child.tagName !== 'HEAD' && !secret && !always.has(child.tagName) && !to.childElementCount && !child.checkVisibility({ visibilityProperty: true })) continue;
			to.setAttribute('data-walk', elements.push(child) - 1);
			const state = (name, on) => on ? to.setAttribute(name, '') : to.removeAttribute(name);
			switch (child.tagName) {
			case 'INPUT':
				if (child.type === 'checkbox' || child.type === 'radio') state('checked', child.checked);
				else to.setAttribute('value', child.value);
				break;
			case 'TEXTAREA':
				to.textContent = child.value;
				break;
			case 'OPTION':
				state('selected', child.selected);
			}
			if ('disabled' in child) state('disabled', child.disabled);
			out.append(to);
		}
	};
	const into = document.implementation.createHTMLDocument('');
	const root = into.createElement('html');
	copy(document.documentElement, root, false);
	const fresh = !document.walked;
	if (keep) document.walked = elements;
	return {
		html: '<!DOCTYPE html>' + root.outerHTML, address: location.href,
		ready: document.readyState === 'complete', fresh, scripts: document.scripts.length,
	};
})
