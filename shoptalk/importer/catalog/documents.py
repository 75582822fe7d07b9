"""A catalog as JSON: a list of products, or an object with the list under "products".

A product may have `variants` with prices of their own; each becomes a product, since a customer
buys the blue one and not "a bottle".
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from shoptalk.importer.catalog.records import FIELDS, Field, Notes, Record
from shoptalk.importer.catalog.values import Mistake
from shoptalk.importer.files.json_values import Placed, elements, members, records
from shoptalk.importer.files.source import Source

_OF_VARIANTS = ("variants", "options")


def json_records(source: Source, notes: Notes) -> Iterator[Record]:
    met: dict[str, None] = {}  # every name of a field, in the order of the file
    for product in records(source, "products"):
        record = _json_record(source, product, "product", notes)
        if record is None:
            continue
        met |= dict.fromkeys(record.fields)
        variants = record.fields.get("variants")
        if variants is None or variants.value in (None, []):
            yield record
        elif isinstance(variants.value, list):
            yield from _variants(source, product, record, notes)
        else:
            notes.mistake(variants.line, variants.column, "variants must be a list")
    unknown = [name for name in met if name not in (*FIELDS, *_OF_VARIANTS)]
    notes.ignore(unknown, met)


def _json_record(source: Source, placed: Placed, what: str, notes: Notes) -> Record | None:
    line, column = source.place(placed.offset)
    if not isinstance(placed.value, dict):
        notes.mistake(line, column, f"a {what} must be an object")
        return None
    found, _ = members(source, placed.offset)
    fields = {name: Field(each.value, *source.place(each.offset)) for name, each in found.items()}
    return Record(line, column, fields)


def _variants(source: Source, product: Placed, record: Record, notes: Notes) -> Iterator[Record]:
    """Each variant as a product: what it does not say, its product says."""
    found, _ = members(source, product.offset)
    placed, _ = elements(source, found["variants"].offset)
    for each in placed:
        variant = _json_record(source, each, "variant", notes)
        if variant is None:
            continue
        own = variant.fields
        if "variant_id" not in own:
            notes.mistake(variant.line, variant.column, "variant_id is missing")
            continue
        inherited = ("description", "price", "currency", "active")
        fields = {name: record.fields[name] for name in inherited if name in record.fields}
        fields |= {name: own[name] for name in (*inherited, "stock") if name in own}
        fields["product_id"] = own["variant_id"]
        try:
            if "name" in record.fields:
                fields["name"] = _variant_name(record.fields, variant)
            if not _is_available(own.get("available")):
                fields["stock"] = Field(0, variant.line, variant.column)
        except Mistake as exc:
            notes.mistake(variant.line, variant.column, str(exc))
            continue
        yield Record(variant.line, variant.column, fields)


def _variant_name(product: Mapping[str, Field], variant: Record) -> Field:
    """ "NAME (blue, 750ml)", the options in the product's order where it gives one."""
    name = product["name"]
    options = variant.fields["options"].value if "options" in variant.fields else None
    if not isinstance(name.value, str) or not options:
        return name
    if isinstance(options, dict):
        listed = product["options"].value if "options" in product else None
        order = list(listed) if isinstance(listed, (list, dict)) else []
        first = [key for key in order if isinstance(key, str) and key in options]
        values = [options[key] for key in dict.fromkeys([*first, *options])]
    elif isinstance(options, list):
        values = options
    else:
        raise Mistake("options must be an object or a list")
    texts = [text for value in values if (text := _option_text(value))]
    described = f" ({', '.join(texts)})" if texts else ""
    return Field(name.value.strip() + described, name.line, name.column)


def _option_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (str, int, Decimal)):
        return str(value).strip()
    raise Mistake("options must hold plain values")


def _is_available(field: Field | None) -> bool:
    if field is None or field.value is None:
        return True
    if not isinstance(field.value, bool):
        raise Mistake("available must be true or false")
    return field.value
