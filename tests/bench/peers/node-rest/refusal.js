// A refusal with its status, the input at fault and further fields of the answer.
export class Refusal extends Error {
	constructor(statusCode, field, detail, more) {
		super(detail);
		this.statusCode = statusCode;
		this.extra = { ...(field && { field }), ...more };
	}
}
