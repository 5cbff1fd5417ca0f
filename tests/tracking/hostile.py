"""A model of every kind of column, with names that break what is careless, its decision, and a table of such rows."""

from pathlib import Path

from pipeline.dataset.encoder import MISSING, OTHER, UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.output_files import DECISION_FILE
from pipeline.scoring import decision
from tests.tracking.outputs import Project

CLASSES = ('a,"b"', "=1+1", "<b>size</b>", "row")
NUMBER, SPELLED, BOOLEAN, DATE, ISO, TEXT, CODE = (
    *("a,b", "prix €", "__class__", "{when}%s", "iso", 'say "q"', "特徴.1"),
)
MISSING_VALUES = ("", "NA")

ENCODER = Encoder(
    numbers=(
        NumberColumn(NUMBER, "number", 1.75, 1.75, 0.3, indicator=True),
        NumberColumn(SPELLED, "number 1.234,5", 1200.5, 1200.5, 700.25, indicator=False),
        NumberColumn(BOOLEAN, "boolean", 0.7, 0.7, 0.45, indicator=True),
        NumberColumn(f"{DATE} year", "date %d/%m/%Y", 2001.5, 2001.5, 9.0, indicator=False),
        NumberColumn(f"{DATE} month", "date %d/%m/%Y", 6.4, 6.4, 3.2, indicator=False),
        NumberColumn(f"{ISO} weekday", "date", 3.1, 3.1, 2.0, indicator=True),
    ),
    categories=(
        CategoryColumn(TEXT, ("None", "a;b", "null", MISSING, UNSEEN)),
        CategoryColumn(CODE, ("1", "10", "2", OTHER, UNSEEN)),
    ),
    target="y",
    classes=CLASSES,
    missing_values=MISSING_VALUES,
)

# As a person would have them: gaps, unseen levels, a weekday that is a holiday for nobody, more columns than needed.
_HEADER = f'"{NUMBER}",{SPELLED},{BOOLEAN},{DATE},{ISO},"say ""q""",{CODE},more'
TABLE = "\n".join(
    [
        _HEADER,
        '1.5,"1.234,5",true,29/02/2024,2024-02-29,None,1,x',
        '0.1,7,FALSE,01/01/1999,1999-01-01,"a;b",10,',
        'NA,"0,25",,31/12/1950,NA,null,7,NA',
        "-3,,true,,2020-06-30,,NA,y",
        '1e-3,"12.345,75",False,15/08/1972,2001-09-09,unseen,2,z',
        "",
    ]
)


def write_project(folder: Path, *, decided: bool = True) -> Project:
    """A project with the model; ``decided`` has scaling, prediction sets and costs."""
    project = Project(folder, encoder=ENCODER)
    path = project.paths["models"] / DECISION_FILE
    path.unlink()
    if decided:
        decide(project, 0.5)
    (folder / "new.csv").write_text(TABLE, encoding="utf-8")
    return project


def decide(project: Project, abstain: float) -> None:
    """Write a decision of the project's model with these costs of no decision."""
    classes = len(project.encoder.classes)
    costs = [[float(row != column) for column in range(classes)] for row in range(classes)]
    form = decision.DecisionForm(
        format=decision.FORMAT,
        model=project.model.key,
        settings={},
        calibration=decision.CalibrationForm(
            method="temperature", applied=True, reason="", weights=0.7, bias=[0.0] * classes
        ),
        sets=decision.SetsForm(method="lac", coverage=0.9, by_class=False, reason="", quantiles=[0.6], rows=50),
        costs=decision.CostsForm(classes=[*project.encoder.classes], matrix=costs, abstain=abstain),
    )
    decision.save(project.paths["models"] / DECISION_FILE, form)
